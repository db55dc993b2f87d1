import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { before, it } from 'node:test';
import { createTeardown } from '../../support/create-teardown.ts';
import { describeVersions } from '../../support/dovecot-versions.ts';
import { inboxDir } from '../../support/inbox-dir.ts';
import { startStage, type Stage } from '../../support/start-stage.ts';
import { deliverTo, mail, message, newAccount, subscribe } from '../conformance/steps.ts';

/** The event of such a message has uid 0 (maildir-save.c: MAILDIR_UIDLIST_SYNC_TRYLOCK). */
const title = 'mail that comes while another process has the Maildir’s list of uids locked';
describeVersions(title, (version) => {
  let stage: Stage;
  const teardown = createTeardown();
  before(async () => {
    stage = await startStage({ version, config: { spool: { poll_interval: '300 msecs' } } });
    teardown.defer(() => stage.close());
  });

  for (const [what, text] of Object.entries({
    'with a Message-ID': mail('Subject: found by its id', 'Message-ID: <unnumbered@example.org>'),
    'without one': Buffer.from('Subject: found by its subject\r\n\r\nHello\r\n'),
    'without anything': Buffer.from('X-Nothing: else\r\n\r\nHello\r\n'),
  })) {
    it(`is pushed with its uid (${what})`, async () => {
      const { user, client } = await newAccount(stage);
      const agent = await stage.userAgent();
      await subscribe(client, agent);
      await deliverTo(stage, user, message(['Subject: before']));
      assert.equal((await agent.next()).payload['uid'], 1);

      const lock = join(inboxDir(stage.dovecot, user), 'dovecot-uidlist.lock');
      writeFileSync(lock, `${process.pid}:${hostname()}`);
      await deliverTo(stage, user, text);
      rmSync(lock);

      const { payload } = await agent.next();
      assert.equal(payload['uid'], 2);
      assert.equal(payload['content'], 'Hello\n');
      await deliverTo(stage, user, message(['Subject: after']));
      assert.equal((await agent.next()).payload['uid'], 3);
      assert.equal(agent.waiting, 0);
    });
  }

  // As the event of a user's first mails, when they come together: whoever is first makes the list.
  it('is pushed with its uid and uidvalidity when the list was only begun', async () => {
    const { user, client } = await newAccount(stage);
    const messageId = '<begun@example.org>';
    await deliverTo(stage, user, mail('Subject: the first', `Message-ID: ${messageId}`));
    const agent = await stage.userAgent();
    await subscribe(client, agent);

    const { url, token } = stage.dovecot.sidecar;
    const event = { event: 'MessageNew', mailbox: 'INBOX', uid: 0, uidvalidity: 0 };
    const { status } = await fetch(`${url}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ user, events: [{ ...event, message_id: messageId }] }),
    });
    assert.ok(status < 300);

    const { payload } = await agent.next();
    assert.equal(payload['uid'], 1);
    assert.ok(Number(payload['uidvalidity']) > 0);
    assert.equal(payload['subject'], 'the first');
  });
});
