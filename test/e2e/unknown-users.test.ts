import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import type { DovecotEvent } from '../../src/events/event-schema.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { describeVersions } from '../support/dovecot-versions.ts';
import { startStage, type Stage } from '../support/start-stage.ts';
import { ENABLED, eventually, get, settle, subscribed } from './conformance/steps.ts';

const MEMBER = 'alice@example.org';
const CHATS = 'COI/Chats';
const message = { mailbox: 'INBOX', uid: 1, uidvalidity: 1 };

/** What can be told of somebody, as the first who makes up a name might. */
const STORIES = {
  'a CREATE of Chats': [{ event: 'MailboxCreate', mailbox: CHATS }],
  'a RENAME to Chats': [{ event: 'MailboxRename', mailbox: CHATS, mailbox_old: 'Old' }],
  'a DELETE of Chats': [{ event: 'MailboxDelete', mailbox: CHATS }],
  'a RENAME of Chats': [{ event: 'MailboxRename', mailbox: 'Other', mailbox_old: CHATS }],
  'a CREATE of Chats by another name': [{ event: 'MailboxCreate', mailbox: `old/${CHATS}` }],
  'chat that was delivered, read, and lost its keyword': [
    { event: 'MailboxCreate', mailbox: CHATS },
    { event: 'MessageNew', ...message, keywords: ['$Chat'], message_id: '<1@example.org>' },
    { event: 'MessageRead', ...message },
    { event: 'FlagsClear', ...message, flags: [], keywords: ['$Chat'] },
  ],
};

describeVersions('users whom Dovecot does not know', (version) => {
  let stage: Stage;
  const teardown = createTeardown();
  before(async () => {
    stage = await startStage({ version, users: [MEMBER] });
    teardown.defer(() => stage.close());
  });

  const report = (user: string, events: readonly object[]): Promise<Response> =>
    fetch(`${stage.app.url}/v1/events`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${stage.dovecot.sidecar.token}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ user, events }),
    });
  async function metric(series: string): Promise<number> {
    // What is served may be a second old.
    const text = await stage.app.ground.metrics.registry.metrics();
    const line = text.split('\n').find((one) => one.startsWith(`${series} `));
    return Number(line?.slice(series.length) ?? 0);
  }
  async function users(): Promise<string[]> {
    const all: string[] = [];
    for await (const user of stage.app.ground.store.users()) all.push(user);
    return all;
  }
  async function asked(): Promise<number> {
    const counts = ['ok', 'refused', 'failed'].map((result) =>
      metric(`coi_doveadm_requests_total{command="mailboxStatus",result="${result}"}`),
    );
    return (await Promise.all(counts)).reduce((sum, one) => sum + one, 0);
  }

  for (const [index, [story, events]] of Object.entries(STORIES).entries()) {
    it(`leave nothing here, and nothing to do: ${story}`, async () => {
      const ghost = `ghost${index}@example.org`;
      const response = await report(ghost, events);
      assert.ok(response.ok, `${response.status} ${await response.text()}`);
      await eventually(async () => {
        assert.deepEqual(await users(), []);
        assert.equal(await metric('coi_events_pending'), 0);
      });
      await settle(stage);
      assert.deepEqual(await users(), []);
    });

    it(`nor when it stood in an event log: ${story}`, async () => {
      const transaction = { user: `late${index}@example.org`, events: events as DovecotEvent[] };
      await stage.app.flows.journal.write(transaction);
      await eventually(async () => assert.equal(await metric('coi_events_pending'), 0));
      await settle(stage);
      assert.deepEqual(await users(), []);
    });
  }

  it('nor do many at once: Dovecot is asked once of each', async () => {
    const before = await metric('coi_events_given_up_total{reason="refused"}');
    const askedBefore = await asked();
    const ghosts = Array.from({ length: 60 }, (_, n) => `many${n}@example.org`);
    await Promise.all(ghosts.map((ghost) => report(ghost, STORIES['a CREATE of Chats'])));
    await eventually(async () => {
      assert.equal(await metric('coi_events_given_up_total{reason="refused"}'), before + 60);
      assert.equal(await metric('coi_events_pending'), 0);
    }, 20_000);
    assert.deepEqual(await users(), []);
    assert.equal(await asked(), askedBefore + 60);
  });

  it('a name that nobody sees is refused', async () => {
    const response = await report('  ', STORIES['a CREATE of Chats']);
    assert.equal(response.status, 400);
    assert.match(await response.text(), /no visible character/);
  });

  it('whom it knows enables COI as ever', async () => {
    const client = await stage.login(MEMBER);
    await client.ok(`CREATE ${CHATS}`);
    await settle(stage);
    assert.equal(await get(client, ENABLED), 'yes');
    assert.ok((await subscribed(client)).includes(CHATS));
    assert.ok((await users()).includes(MEMBER));
  });
});
