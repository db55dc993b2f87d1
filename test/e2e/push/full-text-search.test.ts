import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { createTeardown } from '../../support/create-teardown.ts';
import { dovecotVersions } from '../../support/dovecot-versions.ts';
import { ftsXapian, ftsXapianSettings } from '../../support/fts-xapian.ts';
import { recordLog } from '../../support/record-log.ts';
import { startStage, type Stage } from '../../support/start-stage.ts';
import {
  chat,
  coiAccount,
  contact,
  deliverTo,
  eventually,
  mailboxes,
  settlePushes,
  subscribe,
  subjectsIn,
} from '../conformance/steps.ts';

/** Its settings here are for Debian 12's Dovecot. The same without it: test/messages/locate-messages.test.ts. */
const skip =
  ftsXapian === undefined
    ? 'dovecot-fts-xapian is neither installed nor unpacked'
    : (dovecotVersions.find(({ version }) => version === '2.3')?.skip ?? false);
describe('beside fts_xapian', { skip }, () => {
  const log = recordLog();
  let stage: Stage;
  const teardown = createTeardown();
  before(async () => {
    assert.ok(ftsXapian);
    const dir = await mkdtemp(join(tmpdir(), 'coi-fts-'));
    teardown.defer(() => rm(dir, { recursive: true }));
    const extraConfig = await ftsXapianSettings(ftsXapian, join(dir, 'modules'));
    stage = await startStage({
      extraConfig,
      log: log.log,
      config: { spool: { poll_interval: '300 msecs' } },
    });
    teardown.defer(() => stage.close());
  });

  it('a search really finds nothing by such a Message-ID', async () => {
    const { user } = await coiAccount(stage, 'active');
    await deliverTo(stage, user, chat('Subject: here', 'Message-ID: <chat$1.2@example.org>'));
    const search = (...query: string[]) =>
      stage.dovecot.runDoveadm(['search', '-u', user, 'mailbox', 'COI/Chats', ...query]);
    await eventually(async () => assert.match((await search('all')).stdout, / 1\n/));
    const found = await search('header', 'message-id', '<chat$1.2@example.org>');
    assert.equal(found.stdout, '', 'else this suite shows nothing');
  });

  it('the push of chat that came while the service was away leads to where it is filed', async () => {
    const { user, client } = await coiAccount(stage, 'active');
    const agent = await stage.userAgent();
    await subscribe(client, agent);
    await stage.app.stop();
    for (const number of [1, 2]) {
      await deliverTo(
        stage,
        user,
        chat(`Subject: away ${number}`, `Message-ID: <chat$a.${number}@example.org>`),
      );
    }
    await stage.restart();
    for (const number of [1, 2]) {
      const { payload } = await agent.next();
      assert.equal(payload['folder'], 'COI/Chats');
      assert.equal(payload['uid'], number);
      assert.equal(payload['subject'], `away ${number}`);
      assert.equal(payload['msg-id'], `chat$a.${number}@example.org`);
    }
    assert.deepEqual(await subjectsIn(client, 'INBOX'), []);
    assert.ok((await mailboxes(client)).length > 0);
  });

  it('a message that was reported without its uid is pushed with it, or said to be gone', async () => {
    const { user, client } = await coiAccount(stage, 'active');
    const agent = await stage.userAgent();
    const messageId = '<chat$b.1@example.org>';
    await deliverTo(stage, user, chat('Subject: unnumbered', `Message-ID: ${messageId}`));
    await settlePushes(stage);
    await subscribe(client, agent);
    const report = async (id: string): Promise<void> => {
      const { url, token } = stage.dovecot.sidecar;
      const event = { event: 'MessageNew', mailbox: 'COI/Chats', uid: 0, uidvalidity: 0 };
      const { status } = await fetch(`${url}/v1/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          user,
          events: [{ ...event, message_id: id, keywords: ['$Chat'] }],
        }),
      });
      assert.ok(status < 300);
    };
    await report(messageId);
    const { payload } = await agent.next();
    assert.equal(payload['uid'], 1);
    assert.equal(payload['folder'], 'COI/Chats');
    await report('<chat$gone@example.org>');
    await eventually(() => assert.match(log.said('info').join('\n'), /is not in its mailbox/));
    assert.equal(agent.waiting, 0);
  });

  it('a blocked contact is one all the same', async () => {
    const { user, client } = await coiAccount(stage, 'active');
    await client.ok('APPEND COI/Contacts', contact(['mallory@example.org']));
    await deliverTo(stage, user, chat('Subject: blocked', 'From: mallory@example.org'));
    await settlePushes(stage);
    await eventually(async () => {
      assert.deepEqual(await subjectsIn(client, 'Blocked'), ['blocked']);
    });
  });
});
