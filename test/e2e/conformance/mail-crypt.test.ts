import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { conformance } from '../../support/conformance.ts';
import type { ImapClient } from '../../support/imap-client.ts';
import {
  chat,
  coiAccount,
  deliverTo,
  FILTER,
  homeOf,
  mail,
  message,
  newAccount,
  set,
  settle,
  subscribe,
  VENDOR,
} from './steps.ts';

const extraConfig = ['imap', 'lmtp', 'doveadm']
  .map((protocol) => `protocol ${protocol} {\n  mail_plugins = $mail_plugins mail_crypt\n}`)
  .concat('plugin {\n  mail_crypt_curve = prime256v1\n  mail_crypt_save_version = 2\n}')
  .join('\n');

conformance(import.meta.url, 'dovecot', { extraConfig }, ({ stage, section }) => {
  /** `doveadm mailbox cryptokey …` with the plugin's settings as they stand, or with others. */
  async function cryptokey(user: string, ...words: string[]): Promise<string> {
    const [command = '', ...rest] = words;
    const args = ['mailbox', 'cryptokey', command, '-u', user, ...rest];
    const { exitCode, stdout, stderr } = await stage().dovecot.runDoveadm(args);
    assert.equal(exitCode, 0, stderr);
    return stdout;
  }

  /** The first line of a message's body. */
  async function read(client: ImapClient, mailbox: string, uid: number): Promise<string> {
    await client.ok(`EXAMINE "${mailbox}"`);
    const { untagged } = await client.ok(`UID FETCH ${uid} (BODY[TEXT])`);
    await client.ok('UNSELECT');
    return /\r\n(.*)\r\n/.exec(untagged.join())?.[1] ?? '';
  }

  section('mail_crypt', (sentence) => {
    sentence(
      'rule',
      'Keys of users and folders that mail_crypt keeps in the attribute dict stay what they are.',
      'Mail that was encrypted with them is read in new sessions, after the sidecar was restarted, and after COI moved it; nobody reads a key over IMAP',
      async () => {
        const { user, client } = await newAccount(stage());
        await cryptokey(user, 'generate', '-U');
        const keys = await cryptokey(user, 'list', '-U');
        await deliverTo(stage(), user, message([], 'for my eyes only\r\n'));
        const dir = join(homeOf(stage(), user), 'Mail', 'new');
        const [file = ''] = await readdir(dir);
        const stored = await readFile(join(dir, file));
        assert.equal(stored.subarray(0, 9).toString('latin1'), 'CRYPTED\x03\x07');
        assert.ok(!stored.includes('for my eyes'));

        assert.equal(await read(client, 'INBOX', 1), 'for my eyes only');
        await stage().restart();
        assert.equal(await read(await stage().login(user), 'INBOX', 1), 'for my eyes only');
        await client.ok('CREATE Work');
        await client.ok('SELECT INBOX');
        await client.ok('UID COPY 1 Work');
        await client.ok('UNSELECT');
        assert.equal(await read(await stage().login(user), 'Work', 1), 'for my eyes only');
        assert.equal(await cryptokey(user, 'list', '-U'), keys);

        for (const mailbox of ['', 'INBOX', 'Work']) {
          const shown = await client.getMetadata(
            mailbox,
            ['/private', VENDOR, '/shared'],
            'infinity',
          );
          assert.doesNotMatch([...shown].join(), /crypt/);
        }
        const found = await stage().app.ground.store.list(user, 'priv/');
        assert.ok(
          found.some(({ key }) => key.includes('/pvt/crypt/privkeys/')),
          'they are here',
        );
      },
    );

    sentence(
      'rule',
      'COI and WebPush work for users whose mail is encrypted.',
      'Chat mail is filed, moved and pushed, with its content',
      async () => {
        const { user, client } = await coiAccount(stage(), 'active');
        await cryptokey(user, 'generate', '-U');
        const agent = await stage().userAgent();
        await subscribe(client, agent);
        for (const one of [chat(), mail()]) {
          await deliverTo(stage(), user, one);
          assert.match(String((await agent.next()).payload['content']), /^Hello\r?\n$/);
        }
        assert.equal(await read(client, 'COI/Chats', 1), 'Hello');
        await set(client, FILTER, 'seen');
        await deliverTo(stage(), user, chat());
        await client.ok('SELECT INBOX');
        await client.ok('STORE 1:* +FLAGS (\\Seen)');
        await client.ok('UNSELECT');
        await settle(stage());
        assert.equal(await read(client, 'COI/Chats', 2), 'Hello');
      },
    );
  });
});
