import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { deliver } from '../../src/cli/demo/lmtp-client.ts';
import type { ReceivedPush } from '../../src/cli/demo/push-service.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { dovecotVersions } from '../support/dovecot-versions.ts';
import type { ImapClient } from '../support/imap-client.ts';
import { eventually, startStage, VENDOR, type Stage } from '../support/start-stage.ts';

const chat = (id: string, extra = ''): string =>
  `From: Alice <alice@example.org>\r\nTo: bob@example.org\r\nSubject: Chat: Hello\r\n` +
  `Date: Mon, 4 Dec 2023 15:51:37 +0100\r\nMessage-ID: <chat$${id}@example.org>\r\n` +
  `Chat-Version: 1.0\r\n${extra}MIME-Version: 1.0\r\n` +
  `Content-Type: text/plain; charset=UTF-8\r\n\r\nHej! 🥗\r\n`;

const mail = (id: string): string =>
  `From: joerg@example.net\r\nTo: bob@example.org\r\nSubject: Invoice\r\n` +
  `Message-ID: <${id}@example.net>\r\n\r\nPlease pay.\r\n`;

/** Flags of all messages by uid, in one mailbox. */
async function flagsIn(client: ImapClient, mailbox: string): Promise<string[]> {
  await client.ok(`EXAMINE "${mailbox}"`);
  const { untagged } = await client.ok('UID FETCH 1:* (FLAGS)');
  return untagged.filter((line) => line.includes('FETCH'));
}

async function subscribe(
  stage: Stage,
  client: ImapClient,
  id: string,
  msgtype: string,
): Promise<void> {
  const path = `${VENDOR}/webpush/subscriptions/${id}`;
  const value = JSON.stringify({
    client: 'c',
    device: 'd',
    msgtype,
    resource: stage.push.resource,
  });
  assert.equal((await client.setMetadata('', path, value)).status, 'OK');
  const validation = await stage.push.next();
  const token = String(validation.payload['validation']);
  await eventually(async () => {
    assert.equal((await client.setMetadata('', `${path}/validate`, token)).status, 'OK');
    const listed = (await client.getMetadata('', [path])).get(path) ?? '{}';
    assert.equal((JSON.parse(listed) as { validated?: boolean }).validated, true);
  });
}

const runs = dovecotVersions.flatMap((dovecot) =>
  (['dict', 'doveadm'] as const).map((metadata) => ({ ...dovecot, metadata })),
);
for (const { version, skip, metadata } of runs) {
  const title = `Dovecot ${version}, metadata.source ${metadata}: chat goes in and a push comes out`;
  describe(title, { skip }, () => {
    let stage: Stage;
    const teardown = createTeardown();
    before(async () => {
      stage = await startStage({
        version,
        metadata,
        config: { webpush: { cache_lifetime: '1 secs' } },
      });
      teardown.defer(() => stage.close());
    });

    /** Someone with COI enabled. */
    async function enabledUser(filter: 'none' | 'active' | 'seen') {
      const user = stage.freshUser();
      const client = await stage.login(user);
      await client.setMetadata('', `${VENDOR}/coi/config/message-filter`, filter);
      await client.setMetadata('', `${VENDOR}/coi/config/enabled`, 'yes');
      await eventually(async () => {
        const chats = await client.ok('LSUB "" "COI/*"');
        const blocked = await client.ok('LSUB "" Blocked');
        const untagged = [...chats.untagged, ...blocked.untagged];
        assert.equal(untagged.length, 3, 'Chats, Contacts and Blocked are there and subscribed');
        const settings = await stage.app.flows.source.settings(user);
        assert.deepEqual(settings, { enabled: true, messageFilter: filter });
      });
      return { user, client };
    }

    it('advertises COI and WEBPUSH after login only', async () => {
      const { ImapClient: Imap } = await import('../support/imap-client.ts');
      const stranger = await Imap.open(stage.dovecot.imap);
      const { untagged } = await stranger.ok('CAPABILITY');
      assert.doesNotMatch(untagged.join(), /COI|WEBPUSH/);
      await stranger.close();
      const client = await stage.login(stage.freshUser());
      assert.match((await client.ok('CAPABILITY')).untagged.join(), / COI WEBPUSH/);
    });

    it('files chat under active before it is stored: an IDLE on INBOX sees nothing', async () => {
      const { user, client } = await enabledUser('active');
      const watcher = await stage.login(user);
      await watcher.ok('SELECT INBOX');
      const stop = await watcher.idle();
      const { replies } = await deliver(stage.dovecot.lmtp, 'a@example.org', [user], chat('1'));
      assert.equal(replies[0]?.code, 250);
      assert.deepEqual(await stop(400), []);
      assert.match((await flagsIn(client, 'COI/Chats')).join(), /\$Chat/);
      assert.deepEqual(await flagsIn(client, 'INBOX'), []);
    });

    it('marks chat under none and leaves it in INBOX', async () => {
      const { user, client } = await enabledUser('none');
      await deliver(stage.dovecot.lmtp, 'a@example.org', [user], chat('2'));
      assert.match((await flagsIn(client, 'INBOX')).join(), /\$Chat/);
    });

    it('moves chat under seen when \\Seen arrives, with $Chat, and nothing else', async () => {
      const { user, client } = await enabledUser('seen');
      for (const message of [chat('3'), mail('3'), chat('4')]) {
        await deliver(stage.dovecot.lmtp, 'a@example.org', [user], message);
      }
      await client.ok('SELECT INBOX');
      await client.ok('UID STORE 1,2 +FLAGS (\\Seen)');
      await eventually(async () => {
        const chats = await flagsIn(client, 'COI/Chats');
        assert.equal(chats.length, 1);
        assert.match(chats[0] ?? '', /\$Chat/);
        assert.match(chats[0] ?? '', /\\Seen/);
      });
      assert.equal((await flagsIn(client, 'INBOX')).length, 2);
      // A client that replaces all flags takes $Chat away in the same breath.
      await client.ok('SELECT INBOX');
      await client.ok('UID STORE 3 FLAGS (\\Seen)');
      await eventually(async () => {
        const chats = await flagsIn(client, 'COI/Chats');
        assert.equal(chats.filter((line) => line.includes('$Chat')).length, 2);
      });
    });

    it('pushes chat to those who asked for chat, mail to those who asked for mail', async () => {
      const { user, client } = await enabledUser('active');
      await subscribe(stage, client, `chat-only-${metadata}`, 'chat');
      await deliver(stage.dovecot.lmtp, 'j@example.net', [user], mail('5'));
      await deliver(stage.dovecot.lmtp, 'a@example.org', [user], chat('5'));
      const push = await stage.push.next();
      assert.deepEqual(
        { ...push.payload, uidvalidity: typeof push.payload['uidvalidity'] },
        {
          'from-email': 'alice@example.org',
          'from-name': 'Alice',
          subject: 'Chat: Hello',
          content: 'Hej! 🥗\n',
          date: '2023-12-04T15:51:37+01:00',
          'msg-id': 'chat$5@example.org',
          uid: 1,
          uidvalidity: 'number',
          folder: 'COI/Chats',
        },
      );
      assert.equal(stage.push.waiting, 0);
      await client.setMetadata('', `${VENDOR}/webpush/subscriptions/chat-only-${metadata}`, null);
      await eventually(async () => {
        assert.deepEqual(await stage.app.domain.subscriptions.list(user), []);
      });
      await subscribe(stage, client, `mail-only-${metadata}`, 'mail');
      await deliver(stage.dovecot.lmtp, 'a@example.org', [user], chat('6'));
      await deliver(stage.dovecot.lmtp, 'j@example.net', [user], mail('6'));
      const second: ReceivedPush = await stage.push.next();
      assert.equal(second.payload['subject'], 'Invoice');
      assert.equal(second.payload['folder'], 'INBOX');
      assert.equal(stage.push.waiting, 0);
    });

    it('delivers while it is stopped, and on return files the chat and pushes it', async () => {
      const { user, client } = await enabledUser('active');
      await subscribe(stage, client, `while-away-${metadata}`, 'all');
      await stage.app.stop();
      const { replies } = await deliver(stage.dovecot.lmtp, 'a@example.org', [user], chat('7'));
      assert.equal(replies[0]?.code, 250);
      assert.match((await flagsIn(client, 'INBOX')).join(), /\$Chat/);
      await stage.restart();
      const push = await stage.push.next();
      assert.equal(push.payload['msg-id'], 'chat$7@example.org');
      assert.equal(push.payload['folder'], 'COI/Chats', 'the push leads to where it is filed');
      assert.equal(push.payload['uid'], 1);
      await eventually(async () => {
        assert.equal((await flagsIn(client, 'COI/Chats')).length, 1);
        assert.equal((await flagsIn(client, 'INBOX')).length, 0);
      });
    });

    if (metadata === 'doveadm') {
      // With "dict", Dovecot refuses a DELETE while the sidecar is away.
      it('disables COI on return when Chats was deleted meanwhile, though chat had come before', async () => {
        const { user, client } = await enabledUser('active');
        await stage.app.stop();
        await deliver(stage.dovecot.lmtp, 'a@example.org', [user], chat('9'));
        await client.ok('DELETE COI/Chats');
        await stage.restart();
        await eventually(async () => {
          assert.equal((await stage.app.flows.source.settings(user)).enabled, false);
        });
        await eventually(() => {
          assert.equal(stage.app.flows.journal.waiting(), 0);
        });
      });
    }

    it('leaves the mail of others alone, even when one delivery has several recipients', async () => {
      const { user } = await enabledUser('active');
      const other = stage.freshUser();
      await deliver(stage.dovecot.lmtp, 'a@example.org', [user, other], chat('8'));
      const client = await stage.login(other);
      const [line] = await flagsIn(client, 'INBOX');
      assert.ok(line !== undefined);
      assert.doesNotMatch(line, /\$Chat/);
      assert.equal((await client.ok('LIST "" "COI*"')).untagged.length, 0);
    });

    it('leaves Dovecot’s log clean', () => {
      const expected = [
        // Said by the script and by Sieve, rightly, while the sidecar was stopped.
        /coi-sidecar did not take|coi-classify|dict|connect/,
        // Dovecot's own race between two processes that make a new user's Maildir.
        /UIDVALIDITY changed/,
        // Chats had been deleted, and is made again.
        /Mailbox doesn't exist: COI\/Chats/,
      ];
      const unexpected = stage.dovecot
        .errors()
        .filter((line) => !expected.some((pattern) => pattern.test(line)));
      assert.deepEqual(unexpected, []);
    });
  });
}
