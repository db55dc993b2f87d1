import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { conformance } from '../../support/conformance.ts';
import { inboxDir } from '../../support/inbox-dir.ts';
import { cryptokey, mailCrypt } from '../../support/mail-crypt.ts';
import {
  chat,
  coiAccount,
  deliverTo,
  FILTER,
  mail,
  message,
  newAccount,
  readBody,
  set,
  settle,
  subscribe,
  VENDOR,
} from './steps.ts';

const options = (version: '2.3' | '2.4') => mailCrypt(version, 'bare');

conformance(import.meta.url, 'dovecot', options, ({ stage, section }) => {
  section('mail_crypt', (sentence) => {
    sentence(
      'rule',
      'Keys of users and folders that mail_crypt keeps in the attribute dict stay what they are.',
      'Mail that was encrypted with them is read in new sessions, after the sidecar was restarted, and after COI moved it; nobody reads a key over IMAP',
      async () => {
        const { user, client } = await newAccount(stage());
        const { dovecot } = stage();
        await cryptokey(dovecot, 'bare', 'generate', user);
        const keys = await cryptokey(dovecot, 'bare', 'list', user);
        await deliverTo(stage(), user, message([], 'for my eyes only\r\n'));
        const dir = join(inboxDir(dovecot, user), 'new');
        const [file = ''] = await readdir(dir);
        const stored = await readFile(join(dir, file));
        assert.equal(stored.subarray(0, 9).toString('latin1'), 'CRYPTED\x03\x07');
        assert.ok(!stored.includes('for my eyes'));

        assert.equal(await readBody(client, 'INBOX', 1), 'for my eyes only');
        await stage().restart();
        assert.equal(await readBody(await stage().login(user), 'INBOX', 1), 'for my eyes only');
        await client.ok('CREATE Work');
        await client.ok('SELECT INBOX');
        await client.ok('UID COPY 1 Work');
        await client.ok('UNSELECT');
        assert.equal(await readBody(await stage().login(user), 'Work', 1), 'for my eyes only');
        assert.equal(await cryptokey(dovecot, 'bare', 'list', user), keys);

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
        await cryptokey(stage().dovecot, 'bare', 'generate', user);
        const agent = await stage().userAgent();
        await subscribe(client, agent);
        for (const one of [chat(), mail()]) {
          await deliverTo(stage(), user, one);
          assert.match(String((await agent.next()).payload['content']), /^Hello\r?\n$/);
        }
        assert.equal(await readBody(client, 'COI/Chats', 1), 'Hello');
        await set(client, FILTER, 'seen');
        await deliverTo(stage(), user, chat());
        await client.ok('SELECT INBOX');
        await client.ok('STORE 1:* +FLAGS (\\Seen)');
        await client.ok('UNSELECT');
        await settle(stage());
        assert.equal(await readBody(client, 'COI/Chats', 2), 'Hello');
      },
    );
  });
});
