import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { conformance } from '../../support/conformance.ts';
import { parseMetadata } from '../../support/imap-client.ts';
import { inboxDir } from '../../support/inbox-dir.ts';
import { startStage, type Stage } from '../../support/start-stage.ts';
import {
  coiAccount,
  deliverTo,
  ENABLED,
  FILTER,
  get,
  homeOf,
  listed,
  mail,
  MAILBOX_ROOT,
  newAccount,
  pathOf,
  set,
  subscribe,
  VAPID,
} from './steps.ts';

conformance(import.meta.url, 'dovecot', {}, ({ stage, section }) => {
  /** `doveadm mailbox metadata <command> -u <user> -s …`; the mailbox is empty for the server. */
  async function metadata(command: string, user: string, mailbox: string, ...words: string[]) {
    const server = mailbox === '' ? ['-s'] : [];
    const args = ['mailbox', 'metadata', command, '-u', user, ...server, mailbox, ...words];
    const { exitCode, stdout } = await stage().dovecot.runDoveadm(args);
    return { exitCode, lines: stdout.split('\n').slice(0, -1) };
  }

  section('doveadm mailbox metadata', (sentence) => {
    sentence(
      'rule',
      'set, get and unset work on server and mailbox annotations, private and shared, of whatever vendor.',
      'What doveadm sets, IMAP shows, and the other way round',
      async () => {
        const { user, client } = await newAccount(stage());
        await client.ok('CREATE Work');
        for (const [mailbox, entry] of [
          ['', '/private/comment'],
          ['', '/private/vendor/example/deep/er/key'],
          ['', '/shared/vendor/example/key'],
          ['INBOX', '/private/comment'],
          ['INBOX', '/shared/comment'],
          ['Work', '/private/vendor/example/key'],
          ['Work', '/shared/vendor/example/key'],
        ] as const) {
          const name = `${mailbox}${entry}`;
          await metadata('set', user, mailbox, entry, `by doveadm: ${name}`);
          const shown = await client.getMetadata(mailbox, [entry]);
          assert.deepEqual([...shown.values()], [`by doveadm: ${name}`], name);
          const { status } = await client.setMetadata(mailbox, entry, `by IMAP: ${name}`);
          assert.equal(status, 'OK', name);
          const { lines } = await metadata('get', user, mailbox, entry);
          assert.deepEqual(lines, [`by IMAP: ${name}`]);
          assert.equal((await metadata('unset', user, mailbox, entry)).exitCode, 0);
          assert.deepEqual([...(await client.getMetadata(mailbox, [entry])).values()], [null]);
        }
      },
    );

    sentence(
      'rule',
      'list shows all of one mailbox, or of the server.',
      'COI’s and WebPush’s among them',
      async () => {
        const { user, client } = await coiAccount(stage(), 'seen');
        const id = await subscribe(client, await stage().userAgent());
        await set(client, '/private/comment', 'x');
        await client.ok('CREATE Work');
        await client.setMetadata('Work', '/private/comment', 'x');
        const { lines } = await metadata('list', user, '');
        assert.deepEqual(
          lines.sort(),
          [
            'comment',
            ...[ENABLED, FILTER, MAILBOX_ROOT, VAPID, pathOf(id)].map((entry) =>
              entry.replace('/private/', ''),
            ),
          ].sort(),
        );
        assert.ok((await metadata('list', user, 'Work')).lines.includes('comment'));
        const below = await metadata('list', user, '', '/private/vendor/vendor.dovecot/coi/');
        assert.equal(below.lines.length, 3);
      },
    );

    sentence(
      'rule',
      'COI’s and WebPush’s entries obey their rules, whoever sets them.',
      'An administrator’s command fails as a client’s does, and enables COI as a client’s does',
      async () => {
        const { user, client } = await newAccount(stage());
        for (const [entry, value] of [
          [ENABLED, 'true'],
          [FILTER, 'inactive'],
          [MAILBOX_ROOT, 'mine'],
          [VAPID, 'mine'],
          [pathOf('a-long-enough-id'), 'x'],
        ] as const) {
          assert.notEqual((await metadata('set', user, '', entry, value)).exitCode, 0, entry);
        }
        assert.equal((await metadata('set', user, '', ENABLED, 'yes')).exitCode, 0);
        assert.equal(await get(client, ENABLED), 'yes');
        await client.ok('SELECT COI/Chats');
        assert.deepEqual((await metadata('get', user, '', MAILBOX_ROOT)).lines, ['COI']);
        assert.match((await metadata('get', user, '', VAPID)).lines.join(), /BEGIN PUBLIC KEY/);
        assert.equal((await metadata('unset', user, '', ENABLED)).exitCode, 0);
        assert.equal(await get(client, ENABLED), null);
      },
    );
  });

  section('The attribute dict', (sentence) => {
    sentence(
      'rule',
      'Values are octets.',
      'Control characters, line ends, octets outside UTF-8 and long values are kept as they are',
      async () => {
        const user = stage().freshUser();
        const values = {
          octets: Buffer.from(Array.from({ length: 255 }, (_, index) => index + 1)),
          lines: Buffer.from('\r\n one\n\ttwo\r\x01three\x01n\x01\x01'),
          syntax: Buffer.from('\\ " \\" {3}\r\n NIL ) "'),
          long: Buffer.alloc(30_000, 'long '),
          empty: Buffer.alloc(0),
        };
        const commands = Object.entries(values).flatMap(([name, value]) => [
          `a SETMETADATA "" (/private/vendor/example/${name} {${value.length}+}\r\n`,
          value,
          `)\r\nb GETMETADATA "" (/private/vendor/example/${name})\r\n`,
        ]);
        const answers = await rawSession(stage(), user, commands);
        for (const [name, value] of Object.entries(values)) {
          const shown = Buffer.concat([
            Buffer.from(`(/private/vendor/example/${name} {${value.length}}\r\n`),
            value,
            Buffer.from(')\r\n'),
          ]);
          assert.ok(answers.includes(shown), name);
        }
      },
    );

    sentence(
      'rule',
      'Answers are what Dovecot’s own file dict answers.',
      'The same commands with GETMETADATA’s DEPTH 0, 1 and infinity and MAXSIZE, on the server and on mailboxes, through renames and deletions',
      async () => {
        // Left alone by its sidecar: doveadm's calls can get into the way of a session's CREATE.
        const { version } = stage().dovecot;
        const alone = { metadata: 'doveadm', notices: false, events: 'none' } as const;
        const reference = await startStage({ version, ...alone });
        try {
          const [ours, dovecots] = [await transcript(stage()), await transcript(reference)];
          assert.ok(ours.length > 100);
          for (const [index, line] of ours.entries()) assert.equal(line, dovecots[index]);
          assert.equal(ours.length, dovecots.length);
        } finally {
          await reference.close();
        }
      },
    );

    sentence(
      'rule',
      'Nobody sees what is another’s.',
      'Private and server annotations are kept by user',
      async () => {
        const [one, other] = [await coiAccount(stage(), 'active'), await newAccount(stage())];
        await subscribe(one.client, await stage().userAgent());
        for (const mailbox of ['', 'INBOX']) {
          await one.client.setMetadata(mailbox, '/private/comment', 'mine');
        }
        await one.client.setMetadata('INBOX', '/shared/comment', 'mine');
        for (const mailbox of ['', 'INBOX']) {
          const found = await other.client.getMetadata(
            mailbox,
            ['/private/comment', '/shared/comment', ENABLED, FILTER],
            'infinity',
          );
          assert.deepEqual(
            [...found.values()].filter((value) => value !== null),
            [],
          );
        }
        await set(other.client, '/private/comment', 'the other’s');
        assert.equal(await get(one.client, '/private/comment'), 'mine');
      },
    );

    sentence(
      'rule',
      'COI’s and WebPush’s entries are the user’s, not the INBOX’s.',
      'They outlive an INBOX that is made anew and has another GUID',
      async () => {
        const { user, client } = await coiAccount(stage(), 'active');
        const id = await subscribe(client, await stage().userAgent());
        const key = await get(client, VAPID);
        await set(client, '/private/comment', 'of the old INBOX');
        const guid = async (): Promise<string> => {
          const args = ['mailbox', 'status', '-u', user, 'guid', 'INBOX'];
          return (await stage().dovecot.runDoveadm(args)).stdout;
        };
        const before = await guid();
        await client.close();
        // The INBOX, and the index of all mailboxes, which has its GUID too.
        for (const dir of [inboxDir(stage().dovecot, user), join(homeOf(stage(), user), 'Mail')]) {
          for (const name of await readdir(dir)) {
            if (/^(dovecot|cur|new|tmp)/.test(name)) await rm(join(dir, name), { recursive: true });
          }
        }
        assert.notEqual(await guid(), before);
        const again = await stage().login(user);
        assert.equal(await get(again, ENABLED), 'yes');
        assert.equal(await get(again, FILTER), 'active');
        assert.equal(await get(again, VAPID), key);
        assert.equal((await listed(again, id))?.['validated'], true);
        assert.equal(await get(again, '/private/comment'), null);
        await deliverTo(stage(), user, mail());
      },
    );

    sentence(
      'rule',
      'What is set in one session is there in the others at once.',
      'Also after the sidecar was restarted',
      async () => {
        const { user, client } = await newAccount(stage());
        const other = await stage().login(user);
        await set(client, '/private/comment', 'one');
        assert.equal(await get(other, '/private/comment'), 'one');
        await stage().restart();
        assert.equal(await get(other, '/private/comment'), 'one');
        await set(other, '/private/comment', 'two');
        assert.equal(await get(client, '/private/comment'), 'two');
      },
    );
  });
});

/** A session as octets, for what an IMAP client would take for text: all commands at once. */
async function rawSession(
  { dovecot }: Stage,
  user: string,
  commands: readonly (string | Buffer)[],
): Promise<Buffer> {
  const socket = connect(dovecot.imap);
  let answers = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    answers = Buffer.concat([answers, chunk]);
  });
  socket.write(`login LOGIN "${user}" "${dovecot.password}"\r\n`);
  // What comes before the login process has handed the session over has to fit its own buffer.
  while (!answers.includes('login OK')) await once(socket, 'data');
  socket.write(Buffer.concat([...commands, 'z LOGOUT\r\n'].map((part) => Buffer.from(part))));
  await once(socket, 'close');
  return answers;
}

/** What a session with entries that are none of the sidecar's business looks like. */
async function transcript(stage: Stage): Promise<string[]> {
  const { user, client } = await newAccount(stage);
  const lines: string[] = [];
  const say = async (command: string): Promise<void> => {
    const { status, text, untagged } = await client.command(command);
    // Dovecot shows entries in the order of its dict, which RFC 5464 leaves open.
    const shown = untagged.flatMap((line) => parseMetadata(line).map(String)).sort();
    lines.push(`${command}: ${status} ${text.replace(/ ?\(\d.*/, '')}`, ...shown);
  };
  const V = 'vendor/example';
  for (const mailbox of ['""', 'INBOX', 'Work']) {
    if (mailbox === 'Work') await say('CREATE Work');
    await say(`SETMETADATA ${mailbox} (/private/comment "one")`);
    await say(`SETMETADATA ${mailbox} (/shared/comment "two")`);
    await say(
      `SETMETADATA ${mailbox} (/private/${V}/a "1" /private/${V}/a/b "12" /private/${V}/a/b/c "123" /private/${V}/ab "x")`,
    );
    await say(`SETMETADATA ${mailbox} (/shared/${V}/a "s" /private/${V}/A/B "upper")`);
    for (const depth of ['0', '1', 'infinity']) {
      for (const entry of [`/private/${V}`, `/private/${V}/a`, `/private/${V}/a/b`, '/private']) {
        await say(`GETMETADATA (DEPTH ${depth}) ${mailbox} (${entry})`);
      }
      await say(`GETMETADATA (DEPTH ${depth}) ${mailbox} (/shared/${V} /private/comment)`);
    }
    await say(`GETMETADATA (MAXSIZE 1) ${mailbox} (/private/${V}/a /private/${V}/a/b)`);
    await say(`GETMETADATA (MAXSIZE 2 DEPTH infinity) ${mailbox} (/private/${V})`);
    await say(`GETMETADATA ${mailbox} (/private/${V}/none /private/comment)`);
    await say(`SETMETADATA ${mailbox} (/private/${V}/a NIL /private/${V}/none NIL)`);
    await say(`GETMETADATA (DEPTH infinity) ${mailbox} (/private/${V})`);
  }
  await say('RENAME Work Play');
  await say(`GETMETADATA (DEPTH infinity) Play (/private /shared)`);
  await say('DELETE Play');
  await say('CREATE Play');
  await say(`GETMETADATA (DEPTH infinity) Play (/private /shared)`);
  await say('GETMETADATA "" (/nonsense)');
  await say('SETMETADATA "" (/private/../x "x")');
  await say('GETMETADATA Nowhere (/private/comment)');
  const args = ['mailbox', 'metadata', 'list', '-u', user, 'INBOX', `/private/${V}/`];
  lines.push(...(await stage.dovecot.runDoveadm(args)).stdout.split('\n').sort());
  return lines;
}
