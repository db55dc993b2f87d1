import assert from 'node:assert/strict';
import { chmod } from 'node:fs/promises';
import { conformance } from '../../support/conformance.ts';
import {
  chat,
  coiAccount,
  deliverTo,
  ENABLED,
  errorsOf,
  FILTER,
  flagsIn,
  get,
  homeOf,
  mailboxes,
  newAccount,
  refuse,
  set,
  settle,
  subscribe,
  subscribed,
  mail,
} from './steps.ts';

conformance(import.meta.url, 'coi-server-spec', {}, ({ stage, section }) => {
  section('Configure COI Usage', (sentence) => {
    sentence(
      'RECOMMENDED',
      '`yes` for enabling COI. It is RECOMMENDED that this value is treated case-sensitive, i.e. only lower-case value are valid.',
      'The specification’s example; Yes, YES and the like are answered with NO',
      async () => {
        const { client } = await newAccount(stage());
        for (const value of ['Yes', 'YES', 'yeS']) await refuse(client, ENABLED, value);
        assert.equal((await client.command(`SETMETADATA "" (${ENABLED} yes)`)).status, 'OK');
        assert.equal(await get(client, ENABLED), 'yes');
        await set(client, ENABLED, 'yes');
      },
    );

    sentence(
      'rule',
      '`NIL` for disabling COI. This removes the setting.',
      'The specification’s example; folders and mail stay',
      async () => {
        const { client } = await coiAccount(stage());
        assert.equal((await client.command(`SETMETADATA "" (${ENABLED} NIL)`)).status, 'OK');
        const { untagged } = await client.ok(`GETMETADATA "" ${ENABLED}`);
        assert.deepEqual(untagged, [`METADATA "" (${ENABLED} NIL)`]);
        assert.ok((await mailboxes(client)).includes('COI/Chats'));
      },
    );

    sentence(
      'SHOULD',
      'Other values SHOULD result into a NO response.',
      'And change nothing',
      async () => {
        const { client } = await newAccount(stage());
        for (const value of ['true', 'no', '', 'yes ', '1']) await refuse(client, ENABLED, value);
        assert.deepEqual(await mailboxes(client), []);
      },
    );

    sentence(
      'rule',
      'Example for invalid value: `a NO [CANNOT] invalid value for /private/vendor/vendor.dovecot/coi/config/enabled: "true"`',
      {
        instead:
          '`NO [SERVERBUG] Internal error occurred…`: nothing outside Dovecot’s own process can choose that text. Dovecot’s log has it',
      },
      async () => {
        const { user, client } = await newAccount(stage());
        assert.match(await refuse(client, ENABLED, 'true'), /^\[SERVERBUG\] Internal error/);
        const [logged = ''] = await errorsOf(stage(), user);
        assert.match(logged, new RegExp(`invalid value for ${ENABLED}: "true"`));
      },
    );

    sentence(
      'SHOULD',
      'Any other value than `yes` SHOULD be interpreted as COI being disabled.',
      'A value that came into the store by an import, say',
      async () => {
        const { user, client } = await coiAccount(stage(), 'active');
        const key = 'coi/config/enabled';
        await stage().app.ground.store.commit(user, [{ op: 'set', key, value: Buffer.from('on') }]);
        await deliverTo(stage(), user, chat());
        assert.deepEqual(await flagsIn(client, 'INBOX'), [[]]);
      },
    );

    sentence(
      'MUST',
      'When the COI is enabled by the client and before returning a tagged OK response, the server MUST do the following: Check for the existence and create the following folders if they do not yet exist',
      'Made between the command and its OK, else NO and nothing is stored; folders that exist are left as they are, names that only hold others become folders',
      async () => {
        const { client } = await newAccount(stage());
        assert.deepEqual(await mailboxes(client), []);
        await client.ok('CREATE COI/Contacts');
        await client.ok('APPEND COI/Contacts', mail());
        await set(client, ENABLED, 'yes');
        const names = await mailboxes(client);
        assert.ok(names.includes('COI/Chats') && names.includes('COI/Contacts'), names.join());
        assert.equal((await flagsIn(client, 'COI/Contacts')).length, 1);

        const { client: parent } = await newAccount(stage());
        const below = ['COI/Chats/Old', 'COI/Contacts/Old'];
        for (const name of below) await parent.ok(`CREATE ${name}`);
        assert.deepEqual(await mailboxes(parent), below);
        await set(parent, ENABLED, 'yes');
        const made = ['COI/Chats', 'COI/Contacts'];
        assert.deepEqual(await mailboxes(parent), [...made, ...below].sort());
        assert.deepEqual(await subscribed(parent), made);

        const unlucky = await newAccount(stage());
        await set(unlucky.client, '/private/comment', 'there is a home');
        await unlucky.client.ok('STATUS INBOX (MESSAGES)');
        const mailDir = `${homeOf(stage(), unlucky.user)}/Mail`;
        await withoutWriting(mailDir, () => refuse(unlucky.client, ENABLED, 'yes'));
        await set(unlucky.client, ENABLED, 'yes');
      },
    );

    sentence(
      'MAY',
      '<MAILBOX-ROOT>/Contacts for retrieving configuration values from clients. By default this is the COI/Contacts folder. The folder MAY be marked as subscribed on behalf of the user.',
      'Subscribed, unless it was there before',
      async () => {
        const { client } = await coiAccount(stage());
        assert.ok((await subscribed(client)).includes('COI/Contacts'));
      },
    );

    sentence(
      'SHOULD',
      '<MAILBOX-ROOT>/Chats for storing chat messages. By default this is the COI/Chats folder. The folder SHOULD be marked as subscribed on behalf the user.',
      'When COI is being enabled, also if it was there before; who unsubscribes it later has it so',
      async () => {
        const { client } = await coiAccount(stage());
        assert.ok((await subscribed(client)).includes('COI/Chats'));
        await client.ok('UNSUBSCRIBE COI/Chats');
        await set(client, ENABLED, 'yes');
        assert.ok(!(await subscribed(client)).includes('COI/Chats'));
        await set(client, ENABLED, null);
        await set(client, ENABLED, 'yes');
        assert.ok((await subscribed(client)).includes('COI/Chats'));
      },
    );

    sentence(
      'MUST',
      'When the COI is enabled by the client and before returning a tagged OK response, the server MUST do the following: Evaluates the `/private/vendor/vendor.dovecot/coi/config/message-filter` configuration and initiates filtering accordingly',
      'The very next message is filtered, whichever of the two entries is set first',
      async () => {
        const { user, client } = await newAccount(stage());
        await set(client, FILTER, 'active');
        await deliverTo(stage(), user, chat());
        assert.deepEqual(await flagsIn(client, 'INBOX'), [[]]);
        await set(client, ENABLED, 'yes');
        await deliverTo(stage(), user, chat());
        assert.deepEqual(await flagsIn(client, 'COI/Chats'), [['$Chat']]);
      },
    );

    sentence(
      'rule',
      'When the configuration is not specified, the default value `none` is assumed.',
      'Chat messages stay where they are, with $Chat',
      async () => {
        const { user, client } = await coiAccount(stage());
        assert.equal(await get(client, FILTER), null);
        await deliverTo(stage(), user, chat());
        assert.deepEqual(await flagsIn(client, 'INBOX'), [['$Chat']]);
      },
    );

    sentence(
      'SHOULD',
      'When COI is disabled, the server SHOULD stop filtering COI messages.',
      'The very next message stays in INBOX, and under `seen` nothing is moved any more; the filter is kept for when COI is enabled again',
      async () => {
        const active = await coiAccount(stage(), 'active');
        await set(active.client, ENABLED, null);
        await deliverTo(stage(), active.user, chat());
        assert.equal((await flagsIn(active.client, 'INBOX')).length, 1);
        assert.equal(await get(active.client, FILTER), 'active');

        const seen = await coiAccount(stage(), 'seen');
        await deliverTo(stage(), seen.user, chat());
        await set(seen.client, ENABLED, null);
        await seen.client.ok('SELECT INBOX');
        await seen.client.ok('STORE 1 +FLAGS (\\Seen)');
        await settle(stage());
        assert.deepEqual(await flagsIn(seen.client, 'INBOX'), [['\\Seen', '$Chat']]);
        assert.deepEqual(await flagsIn(seen.client, 'COI/Chats'), []);
      },
    );

    sentence(
      'MAY',
      'The server MAY stop adding the `$Chat` keyword to detected COI messages.',
      'It stops',
      async () => {
        const { user, client } = await coiAccount(stage());
        await set(client, ENABLED, null);
        await deliverTo(stage(), user, chat());
        assert.deepEqual(await flagsIn(client, 'INBOX'), [[]]);
      },
    );

    sentence(
      'MAY',
      'The server MAY remove webpush registrations that apply to COI messages only.',
      {
        instead:
          'they stay, and hear nothing until COI is enabled again, but of what the user’s own Sieve script marks with $Chat',
      },
      async () => {
        const { user, client } = await coiAccount(stage());
        const [chatOnly, all] = [await stage().userAgent(), await stage().userAgent()];
        await subscribe(client, chatOnly, { msgtype: 'chat' });
        await subscribe(client, all, { msgtype: 'all' });
        await set(client, ENABLED, null);
        await deliverTo(stage(), user, chat('Subject: while disabled'));
        assert.equal((await all.next()).payload['subject'], 'while disabled');
        await set(client, ENABLED, 'yes');
        await deliverTo(stage(), user, chat('Subject: enabled again'));
        assert.equal((await chatOnly.next()).payload['subject'], 'enabled again');
      },
    );
  });

  /** A directory in which Dovecot's mail user cannot make anything for a while. */
  async function withoutWriting(dir: string, work: () => Promise<unknown>): Promise<void> {
    await chmod(dir, 0o500);
    try {
      await work();
    } finally {
      await chmod(dir, 0o700);
    }
  }
});
