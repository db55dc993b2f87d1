import assert from 'node:assert/strict';
import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MESSAGE_FILTERS } from '../../../src/coi/settings.ts';
import { conformance } from '../../support/conformance.ts';
import {
  chat,
  coiAccount,
  deliverTo,
  errorsOf,
  eventually,
  FILTER,
  flagsIn,
  get,
  mail,
  mailboxes,
  newAccount,
  refuse,
  set,
  settle,
  subjectsIn,
  subscribe,
  subscribed,
  userScript,
} from './steps.ts';

conformance(import.meta.url, 'coi-server-spec', {}, ({ stage, section }) => {
  /** Behind the sidecar's back: Dovecot does not report what doveadm does. */
  async function removeChats(user: string): Promise<void> {
    const args = ['mailbox', 'delete', '-s', '-u', user, 'COI/Chats'];
    const { exitCode, stderr } = await stage().dovecot.runDoveadm(args);
    assert.equal(exitCode, 0, stderr);
  }

  section('Configure Message Filtering', (sentence) => {
    /** Messages with these headers are COI messages, and those others are not. */
    async function detects(chats: string[][], others: string[][]): Promise<void> {
      const { user, client } = await coiAccount(stage(), 'active');
      const named = (what: string, count: number) =>
        Array.from({ length: count }, (_, index) => `${what} ${index}`);
      const subjects = { chat: named('chat', chats.length), other: named('other', others.length) };
      for (const [index, subject] of [...subjects.chat, ...subjects.other].entries()) {
        const headers = [...chats, ...others][index] ?? [];
        await deliverTo(stage(), user, mail(`Subject: ${subject}`, ...headers));
      }
      await settle(stage());
      assert.deepEqual(await subjectsIn(client, 'COI/Chats'), subjects.chat);
      assert.deepEqual(await subjectsIn(client, 'INBOX'), subjects.other);
      assert.deepEqual(
        await flagsIn(client, 'INBOX'),
        others.map(() => []),
      );
    }
    const CHARACTERISTICS =
      'COI messages are detected by having at least one these characteristics:';

    sentence(
      'rule',
      `${CHARACTERISTICS} The \`Chat-Version\` header is present.`,
      'In any case of letters, whatever its value',
      () =>
        detects(
          [['Chat-Version: 1.0'], ['CHAT-VERSION: 2'], ['chat-version:']],
          [['X-Chat-Version: 1.0'], ['Comments: Chat-Version: 1.0'], ['Chat: 1.0']],
        ),
    );

    sentence(
      'rule',
      `${CHARACTERISTICS} The \`Message-ID\` header starts with \`chat$\`.`,
      'Within its angle brackets; `chat$` is case-sensitive',
      () =>
        detects(
          [['Message-ID: <chat$1@example.org>'], ['Message-ID:', ' <chat$2@example.org>']],
          [['Message-ID: <CHAT$3@example.org>'], ['Message-ID: <a.chat$4@example.org>']],
        ),
    );

    sentence(
      'rule',
      `${CHARACTERISTICS} The first message-ID in the \`References\` header starts with \`chat$\`.`,
      'The first only',
      () =>
        detects(
          [
            ['References: <chat$1@example.org>'],
            ['References: <chat$1@example.org>', ' <other@example.org>'],
            ['References:', '\t<chat$1@example.org> <other@example.org>'],
          ],
          [
            ['References: <other@example.org> <chat$1@example.org>'],
            ['In-Reply-To: <chat$1@example.org>'],
          ],
        ),
    );

    sentence(
      'MUST',
      'When a `message-filter` value of `active` or `seen` is present, a server MUST check for the existence and create the following folder if they do not yet exist: <MAILBOX-ROOT>/Chats for moving COI messages, this defaults to COI/Chats.',
      'Before the OK, whether or not COI is enabled already, and whenever chat is to be moved there; not for `none`',
      async () => {
        for (const filter of ['active', 'seen']) {
          const { client } = await newAccount(stage());
          await set(client, FILTER, 'none');
          assert.deepEqual(await mailboxes(client), []);
          await set(client, FILTER, filter);
          assert.deepEqual(await mailboxes(client), ['COI/Chats']);
          await client.ok('APPEND COI/Chats', chat());
          await set(client, FILTER, filter);
          assert.equal((await flagsIn(client, 'COI/Chats')).length, 1, 'it is left as it is');
        }
        const { user, client } = await coiAccount(stage(), 'seen');
        await removeChats(user);
        await deliverTo(stage(), user, chat());
        assert.deepEqual(await mailboxes(client, 'COI/Chats'), []);
        await client.ok('SELECT INBOX');
        await client.ok('STORE 1 +FLAGS (\\Seen)');
        await eventually(async () => {
          assert.deepEqual(await flagsIn(client, 'COI/Chats'), [['\\Seen', '$Chat']]);
        });
        assert.ok((await subscribed(client)).includes('COI/Chats'));
      },
    );

    sentence(
      'SHOULD',
      'The folder SHOULD be marked as subscribed by the user.',
      'Subscribed, unless it was there before',
      async () => {
        const { client } = await newAccount(stage());
        await set(client, FILTER, 'active');
        assert.deepEqual(await subscribed(client), ['COI/Chats']);
      },
    );
  });

  section('Configure Message Filtering, IMAP', (sentence) => {
    const MODES = 'The following filter modes MUST be supported using this meta data:';

    sentence(
      'MUST',
      `${MODES} \`none\`: messages are not separated at all. This is the default value.`,
      'Also when it is NIL',
      async () => {
        const { user, client } = await coiAccount(stage(), 'none');
        assert.equal(await get(client, FILTER), 'none');
        await deliverTo(stage(), user, chat());
        await set(client, FILTER, null);
        await deliverTo(stage(), user, chat());
        await client.ok('SELECT INBOX');
        await client.ok('STORE 1:2 +FLAGS (\\Seen)');
        await settle(stage());
        assert.equal((await flagsIn(client, 'INBOX')).length, 2);
      },
    );

    sentence(
      'MUST',
      `${MODES} \`active\`: messages are moved to <MAILBOX-ROOT>/Chats folder. By default this is COI/Chats.`,
      'Filed there by Sieve; the specification’s example. Should Chats be gone, mail goes to INBOX, and from there to Chats, made anew',
      async () => {
        const { user, client } = await coiAccount(stage());
        assert.equal((await client.command(`SETMETADATA "" (${FILTER} active)`)).status, 'OK');
        for (const one of [chat(), mail(), chat()]) await deliverTo(stage(), user, one);
        assert.deepEqual(await flagsIn(client, 'COI/Chats'), [['$Chat'], ['$Chat']]);
        assert.deepEqual(await flagsIn(client, 'INBOX'), [[]]);

        const agent = await stage().userAgent();
        await subscribe(client, agent);
        await removeChats(user);
        await deliverTo(stage(), user, chat());
        assert.equal((await agent.next()).payload['folder'], 'COI/Chats');
        assert.deepEqual(await flagsIn(client, 'COI/Chats'), [['$Chat']]);
        assert.deepEqual(await flagsIn(client, 'INBOX'), [[]]);
        assert.ok((await subscribed(client)).includes('COI/Chats'));
      },
    );

    sentence(
      'MUST',
      `${MODES} \`seen\`: messages stay in the INBOX folder until they are flagged with \`\\Seen\` flag. When the COI server receives a \`\\Seen\` flag for a COI message, then it will move the message like in the active mode.`,
      'With all its flags, just after the answer to STORE or FETCH, or when the user’s own Sieve script sets it; also if the filter is `active` by then, or a client that replaced all flags took $Chat away before. One that is `\\Deleted` stays',
      async () => {
        const { user, client } = await coiAccount(stage(), 'seen');
        for (const one of [chat(), mail(), chat(), chat()]) await deliverTo(stage(), user, one);
        assert.equal((await flagsIn(client, 'INBOX')).length, 4);
        await client.ok('SELECT INBOX');
        await client.ok('UID STORE 1 +FLAGS (\\Flagged)');
        await client.ok('UID STORE 1,2 +FLAGS (\\Seen)');
        await client.ok('UID FETCH 3 (BODY[])');
        await eventually(async () => {
          assert.deepEqual(await flagsIn(client, 'COI/Chats'), [
            ['\\Flagged', '\\Seen', '$Chat'],
            ['\\Seen', '$Chat'],
          ]);
        });
        assert.deepEqual(await flagsIn(client, 'INBOX'), [['\\Seen'], ['$Chat']]);

        const other = await coiAccount(stage(), 'seen');
        for (const one of [chat(), chat()]) await deliverTo(stage(), other.user, one);
        await other.client.ok('SELECT INBOX');
        await other.client.ok('UID STORE 1 FLAGS (\\Flagged)');
        await settle(stage());
        await other.client.ok('UID STORE 2 +FLAGS (\\Seen \\Deleted)');
        await other.client.ok('UID STORE 1 +FLAGS (\\Seen)');
        await settle(stage());
        assert.deepEqual(await flagsIn(other.client, 'COI/Chats'), [
          ['\\Flagged', '\\Seen', '$Chat'],
        ]);
        await other.client.ok('SELECT INBOX');
        await other.client.ok('EXPUNGE');
        await other.client.ok('UNSELECT');
        assert.deepEqual(await flagsIn(other.client, 'INBOX'), []);

        await set(client, FILTER, 'active');
        await client.ok('SELECT INBOX');
        await client.ok('UID STORE 4 +FLAGS (\\Seen)');
        await eventually(async () => {
          assert.equal((await flagsIn(client, 'COI/Chats')).length, 3);
        });
        assert.deepEqual(await flagsIn(client, 'INBOX'), [['\\Seen']]);

        await set(client, FILTER, 'seen');
        const agent = await stage().userAgent();
        await subscribe(client, agent, { msgtype: 'chat' });
        await userScript(stage(), user, 'require "imap4flags"; addflag "\\\\Seen";');
        for (const one of [mail(), chat()]) await deliverTo(stage(), user, one);
        assert.equal((await agent.next()).payload['folder'], 'COI/Chats');
        assert.deepEqual((await flagsIn(client, 'COI/Chats')).at(-1), ['\\Seen', '$Chat']);
        assert.deepEqual(await flagsIn(client, 'INBOX'), [['\\Seen'], ['\\Seen']]);
      },
    );

    sentence(
      'MAY',
      'Servers MAY respond with NO when a different value is encountered.',
      'NO, and nothing has changed',
      async () => {
        const { client } = await coiAccount(stage(), 'seen');
        for (const value of ['inactive', '', 'yes', 'active ']) await refuse(client, FILTER, value);
        assert.equal(await get(client, FILTER), 'seen');
      },
    );

    sentence(
      'rule',
      'Example for invalid filtering value: `a NO [CANNOT] invalid value for /private/vendor/vendor.dovecot/coi/config/message-filter: inactive`',
      {
        instead:
          '`NO [SERVERBUG] Internal error occurred…`: nothing outside Dovecot’s own process can choose that text. Dovecot’s log has it',
      },
      async () => {
        const { user, client } = await newAccount(stage());
        assert.match(await refuse(client, FILTER, 'inactive'), /^\[SERVERBUG\] Internal error/);
        const [logged = ''] = await errorsOf(stage(), user);
        assert.match(logged, new RegExp(`invalid value for ${FILTER}: "inactive"`));
      },
    );

    sentence(
      'RECOMMENDED',
      'It is RECOMMENDED that values are treated case-sensitive, i.e. only lower-case values are valid.',
      'NO to any other',
      async () => {
        const { client } = await newAccount(stage());
        for (const value of ['None', 'ACTIVE', 'sEEN']) await refuse(client, FILTER, value);
      },
    );

    sentence(
      'MUST',
      'When a COI message has been detected, the server MUST mark the message with the $Chat keyword.',
      'Under every filter, and wherever the user’s own Sieve script puts it; a moment later where that replaces all flags (`:flags`, `setflag`). Other mail never',
      async () => {
        for (const filter of MESSAGE_FILTERS) {
          const { user, client } = await coiAccount(stage(), filter);
          await deliverTo(stage(), user, chat());
          await deliverTo(stage(), user, mail());
          const mailbox = filter === 'active' ? 'COI/Chats' : 'INBOX';
          assert.deepEqual((await flagsIn(client, mailbox))[0], ['$Chat'], filter);
          assert.deepEqual((await flagsIn(client, 'INBOX')).at(-1), [], filter);
        }
        const { user, client } = await coiAccount(stage());
        await userScript(
          stage(),
          user,
          'require ["fileinto", "mailbox", "imap4flags"]; fileinto :create :flags "\\\\Flagged" "A"; fileinto :create "B"; setflag "\\\\Flagged"; keep;',
        );
        await deliverTo(stage(), user, chat());
        assert.deepEqual(await flagsIn(client, 'B'), [['$Chat']]);
        await settle(stage());
        for (const mailbox of ['A', 'INBOX']) {
          assert.deepEqual(await flagsIn(client, mailbox), [['\\Flagged', '$Chat']], mailbox);
        }
        await deliverTo(stage(), user, mail());
        await settle(stage());
        assert.deepEqual((await flagsIn(client, 'INBOX')).at(-1), ['\\Flagged']);
      },
    );

    sentence(
      'RECOMMENDED',
      'If the server supports Sieve or other filtering mechanisms, COI message filter rules are RECOMMENDED be applied before any user-defined filtering rules are evaluated.',
      'In a `sieve_before` script; under `active` the user’s own script does not see chat messages',
      async () => {
        const { user, client } = await coiAccount(stage(), 'active');
        await userScript(stage(), user, 'discard;');
        await deliverTo(stage(), user, chat());
        await deliverTo(stage(), user, mail());
        assert.deepEqual(await flagsIn(client, 'COI/Chats'), [['$Chat']]);
        assert.deepEqual(await flagsIn(client, 'INBOX'), []);
      },
    );

    sentence(
      'MAY',
      'Global filtering rules MAY be executed before applying COI message filter rules.',
      {
        '2.3': 'As the numbers of the administrator’s `sieve_before` scripts say',
        '2.4':
          'As `precedence` of the administrator’s `sieve_script` sections of type `before` says',
      },
      async () => {
        const { user, client } = await coiAccount(stage(), 'active');
        const { dovecot } = stage();
        const file = join(dovecot.layout.mailDir, 'global.sieve');
        const script = 'require "fileinto"; if header "X-Spam" "yes" { fileinto "Trash"; stop; }';
        await writeFile(file, script);
        await chown(file, dovecot.mailUid, dovecot.mailGid);
        const settings = {
          '2.3': `plugin {
            sieve_before = file:${file}
            sieve_before2 = file:${join(dovecot.layout.coiDir, 'coi.sieve')}
          }`,
          '2.4': `sieve_script global {
            type = before
            path = ${file}
            precedence = 1
          }`,
        };
        await dovecot.reconfigure(settings[dovecot.version]);
        try {
          await eventually(async () => {
            await deliverTo(stage(), user, chat('X-Spam: yes'));
            assert.notDeepEqual(await flagsIn(client, 'Trash'), []);
          });
          const filed = (await flagsIn(client, 'COI/Chats')).length;
          await deliverTo(stage(), user, chat());
          assert.equal((await flagsIn(client, 'COI/Chats')).length, filed + 1);
        } finally {
          await dovecot.reconfigure('');
        }
      },
    );

    sentence(
      'RECOMMENDED',
      'It is RECOMMENDED to understand the Sieve keep rule so that COI messages will stay within <MAILBOX-ROOT>/Chats when the `message-filter` is set to `active`.',
      'A user’s script that keeps, or files, does not move them away',
      async () => {
        const { user, client } = await coiAccount(stage(), 'active');
        for (const script of ['keep;', 'require "fileinto"; fileinto "INBOX";']) {
          await userScript(stage(), user, script);
          await deliverTo(stage(), user, chat());
        }
        assert.deepEqual(await flagsIn(client, 'COI/Chats'), [['$Chat'], ['$Chat']]);
        assert.deepEqual(await flagsIn(client, 'INBOX'), []);
      },
    );

    sentence(
      'MUST',
      'COI message filter rules MUST be applied before the message is actually stored in the target mailbox, so that an existing IMAP `IDLE` command is not triggered for the INBOX, when a COI message is received and the `message-filter` rule is set to `active`.',
      'A Sieve script asks the sidecar before the message is stored',
      async () => {
        const { user, client } = await coiAccount(stage(), 'active');
        const watcher = await stage().login(user);
        await watcher.ok('SELECT INBOX');
        const stop = await watcher.idle();
        await deliverTo(stage(), user, chat());
        await deliverTo(stage(), user, mail());
        const seen = [...(await stop(300)), ...(await watcher.ok('NOOP')).untagged];
        assert.deepEqual(
          seen.filter((line) => /EXISTS|EXPUNGE|FETCH/.test(line)),
          ['1 EXISTS'],
          'the mail alone was seen',
        );
        assert.equal((await flagsIn(client, 'COI/Chats')).length, 1);
      },
    );
  });
});
