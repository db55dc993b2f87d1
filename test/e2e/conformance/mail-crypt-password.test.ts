import assert from 'node:assert/strict';
import { conformance } from '../../support/conformance.ts';
import { cryptokey, mailCrypt } from '../../support/mail-crypt.ts';
import {
  chat,
  coiAccount,
  deliverTo,
  eventually,
  FILTER,
  flagsIn,
  mail,
  message,
  newAccount,
  readBody,
  set,
  subscribe,
} from './steps.ts';

const options = (version: '2.3' | '2.4') => mailCrypt(version, 'password');

conformance(import.meta.url, 'dovecot', options, ({ stage, section }) => {
  section('mail_crypt', (sentence) => {
    sentence(
      'rule',
      'Keys that open with nothing but the user’s password stay what they are.',
      'Mail that was encrypted with them is read in new sessions and after the sidecar was restarted, by who logged in',
      async () => {
        const { user, client } = await newAccount(stage());
        const { dovecot } = stage();
        await cryptokey(dovecot, 'password', 'generate', user);
        await deliverTo(stage(), user, message([], 'for my eyes only\r\n'));
        assert.equal(await readBody(client, 'INBOX', 1), 'for my eyes only');
        await stage().restart();
        assert.equal(await readBody(await stage().login(user), 'INBOX', 1), 'for my eyes only');
        const query = ['-u', user, 'text', 'mailbox', 'INBOX', 'uid', '1'];
        const { exitCode, stderr } = await dovecot.runDoveadm(['fetch', ...query]);
        assert.notEqual(exitCode, 0);
        assert.match(stderr, /Private key not available/);
      },
    );

    sentence(
      'rule',
      'COI and WebPush work for users whose mail nobody else can decrypt.',
      {
        instead:
          'chat mail is filed under `active` and pushed with its content. Other mail is pushed without its content, since the sidecar cannot fetch it; a disposition notification cannot be told from it. Under `seen`, chat stays in INBOX, since the sidecar cannot move it',
      },
      async () => {
        const { user, client } = await coiAccount(stage(), 'active');
        await cryptokey(stage().dovecot, 'password', 'generate', user);
        const agent = await stage().userAgent();
        await subscribe(client, agent);
        await deliverTo(stage(), user, chat('Subject: chat'));
        const { payload } = await agent.next();
        assert.deepEqual([payload['folder'], payload['content']], ['COI/Chats', 'Hello\n']);
        assert.equal(await readBody(client, 'COI/Chats', 1), 'Hello');

        await deliverTo(stage(), user, mail('From: Bob <bob@example.org>', 'Subject: mail'));
        const { payload: other } = await agent.next();
        assert.equal(other['subject'], 'mail');
        assert.equal(other['from-email'], 'bob@example.org');
        assert.equal(other['folder'], 'INBOX');
        assert.ok(!('content' in other));

        await set(client, FILTER, 'seen');
        await deliverTo(stage(), user, chat('Subject: in INBOX'));
        assert.equal((await agent.next()).payload['subject'], 'in INBOX');
        await client.ok('SELECT INBOX');
        await client.ok('UID STORE 2 +FLAGS (\\Seen)');
        await client.ok('UNSELECT');
        const { journal } = stage().app.flows;
        await eventually(() => assert.equal(journal.waiting(), 1, 'it was tried'));
        assert.deepEqual((await flagsIn(client, 'INBOX'))[1], ['\\Seen', '$Chat']);
        // What cannot be done holds up nothing of what comes after it.
        await deliverTo(stage(), user, mail('Subject: after it'));
        assert.equal((await agent.next()).payload['subject'], 'after it');
      },
    );
  });
});
