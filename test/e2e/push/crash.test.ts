import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, beforeEach, describe, it } from 'node:test';
import { deliver } from '../../../src/cli/demo/lmtp-client.ts';
import { runCrash } from '../../support/crash/crash-run.ts';
import { createCrashWorld, type CrashWorld } from '../../support/crash/crash-world.ts';
import { createTeardown, teardownOf } from '../../support/create-teardown.ts';
import { ImapClient } from '../../support/imap-client.ts';
import type { UserAgent } from '../../support/scripted-push-service.ts';
import { lockDatabase } from '../../support/lock-database.ts';
import { eventually } from '../../support/start-stage.ts';
import { chat, flagsIn, mail } from '../conformance/steps.ts';

const USER = 'user1@example.org';

describe('kill -9', () => {
  let world: CrashWorld;
  let agent: UserAgent;
  const teardown = createTeardown();
  before(async () => {
    world = await createCrashWorld({ users: 1, subscriptions: 1, pushMsecs: 0 });
    teardown.defer(() => world.close());
    const [first] = world.agents.get(USER) ?? [];
    agent = first!;
  });
  beforeEach(() => world.sidecar.ready);

  const deliverOne = async (message: Buffer): Promise<void> => {
    const { replies } = await deliver(world.dovecot.lmtp, 'a@example.org', [USER], message);
    assert.equal(replies[0]?.code, 250);
  };
  /** The push that tells of this message; one before it may come again, if the kill came too soon. */
  const pushOf = async (subject: string): Promise<Record<string, unknown>> => {
    for (;;) {
      const { payload } = await agent.next();
      if (payload['subject'] === subject) return payload;
    }
  };
  /** Lines of all event logs, read or not. */
  const logged = (): string[] => {
    const { eventsDir } = world.dovecot;
    const logs = readdirSync(eventsDir).filter((name) => /^\d+$/.test(name));
    return logs
      .flatMap((uid) => readFileSync(join(eventsDir, uid, 'log'), 'utf8').split('\n'))
      .filter((line) => line !== '');
  };
  const waiting = async (): Promise<number> =>
    (await world.metric('coi_events_pending')) +
    (await world.metric('coi_event_log_unread_octets'));
  const nothingWaits = (): Promise<void> =>
    eventually(async () => assert.equal(await waiting(), 0), 10_000);
  const freeze = (frozen: boolean): boolean =>
    world.sidecar.process.kill(frozen ? 'SIGSTOP' : 'SIGCONT');

  it('before anything was reported: the event log is there as soon as somebody has subscribed', async () => {
    const { eventsDir } = world.dovecot;
    await eventually(() => assert(readdirSync(eventsDir).some((name) => /^\d+$/.test(name))));
    await world.sidecar.kill();
    await deliverOne(mail('Subject: nobody there'));
    await world.restart();
    await pushOf('nobody there');
  });

  it('in the middle of /v1/events: Dovecot keeps it by itself, and the push comes later', async () => {
    // The service makes the log when a system user first reports something.
    await deliverOne(mail('Subject: before'));
    await pushOf('before');
    await eventually(() => {
      assert.ok(readdirSync(world.dovecot.eventsDir).some((name) => /^\d+$/.test(name)));
    });
    freeze(true);
    const delivery = deliverOne(mail('Subject: in the middle'));
    // Long enough for the request to wait at the frozen process, which takes connections still.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const before = logged().length;
    await world.sidecar.kill();
    await delivery;
    assert.equal(logged().length, before + 1);
    const warnings = world.dovecot.errors().join('\n');
    assert.match(
      warnings,
      /coi-sidecar did not take events of user1.*\(9\d\d\d .*: they wait in the event log/,
    );
    await world.restart();
    await pushOf('in the middle');
    await nothingWaits();
  });

  it('after /v1/events was answered 202: what is in the journal is not lost', async () => {
    world.doveadm.mode = 'hang';
    const before = logged().length;
    await deliverOne(mail('Subject: accepted')); // its body is fetched over doveadm's API
    assert.equal(logged().length, before);
    await world.sidecar.kill();
    world.doveadm.mode = 'pass';
    await world.restart();
    await pushOf('accepted');
    await nothingWaits();
  });

  it('after handling it failed: what waits is not lost', async () => {
    world.doveadm.mode = 'hang';
    await deliverOne(mail('Subject: waits'));
    await eventually(async () => assert.ok((await waiting()) > 0), 20_000); // doveadm.timeout
    await world.sidecar.kill();
    world.doveadm.mode = 'pass';
    await world.restart();
    await pushOf('waits');
    await nothingWaits();
  });

  it('while an event that takes long is handled: its line in the event log is what remains', async (test) => {
    const unlock = await lockDatabase(join(world.dovecot.layout.dir, 'outbox.db'));
    teardownOf(test).defer(unlock);
    const before = logged().length;
    await deliverOne(chat('Subject: takes long'));
    assert.equal(logged().length, before + 1);
    await world.sidecar.kill();
    await unlock();
    await world.restart();
    await pushOf('takes long');
    await nothingWaits();
  });

  it('leaves locks and sockets behind that hinder nobody', async () => {
    const { dir } = world.dovecot.layout;
    await world.sidecar.kill();
    const { dict, classify } = world.dovecot.sockets;
    const left = [join(dir, 'state.db.lock'), join(dir, 'outbox.db.lock'), dict, classify];
    for (const path of left) assert.ok(existsSync(path), path);
    await world.restart();
    await world.sidecar.ready;
    await deliverOne(chat('Subject: as ever'));
    const { folder } = await pushOf('as ever');
    assert.equal(folder, 'COI/Chats', 'classified over the new socket');
  });

  it('during the start, at any moment: the next start is none the worse', async () => {
    for (const msecs of [0, 100, 300, 500, 700, 900]) {
      await world.sidecar.kill();
      await world.restart();
      await new Promise((resolve) => setTimeout(resolve, msecs));
    }
    await world.sidecar.ready;
  });

  it('chat that comes meanwhile: INBOX with $Chat, and filed on return', async () => {
    const { imap, password } = world.dovecot;
    const client = await ImapClient.open(imap, { user: USER, password });
    const before = (await flagsIn(client, 'INBOX')).length;
    await world.sidecar.kill();
    await deliverOne(chat('Subject: meanwhile'));
    const inbox = await flagsIn(client, 'INBOX');
    assert.equal(inbox.length, before + 1);
    assert.ok(inbox.at(-1)?.includes('$Chat'));
    await world.restart();
    assert.equal((await pushOf('meanwhile'))['folder'], 'COI/Chats');
    await eventually(async () => assert.equal((await flagsIn(client, 'INBOX')).length, before));
    await client.close();
  });
});

describe('kill -9 again and again while mail comes for 20 users with 3 subscriptions each', () => {
  it('every message is in its mailbox, every push owed arrives', async (test) => {
    const { mail: found, ...report } = await runCrash({
      ...{ deliveries: 300, kills: 6, seed: 7 },
      ...{ users: 20, subscriptions: 3, connections: 4, pushMsecs: 5 },
      onProgress: () => undefined,
    });
    test.diagnostic(
      `${report.pushesOwed} pushes owed, ${report.duplicates.length} came twice, ` +
        `${report.spooled} events kept by Dovecot`,
    );
    assert.equal(report.deliveries, 300);
    assert.ok(report.kills >= 6);
    assert.deepEqual(found, { missing: [], twice: [], misplaced: [] });
    assert.equal(report.pushesOwed, 900);
    assert.deepEqual(report.pushesMissing, []);
  });
});
