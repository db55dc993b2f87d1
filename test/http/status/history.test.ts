import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { createHistory } from '../../../src/http/status/history.ts';
import { createReadinessWatch } from '../../../src/http/status/readiness-watch.ts';
import { readLatency, readTotals } from '../../../src/http/status/totals.ts';
import { createMetrics } from '../../../src/metrics.ts';
import { createRecentAttempts } from '../../../src/webpush/delivery/recent-attempts.ts';
import { ManualClock, settleMicrotasks } from '../../support/manual-clock.ts';
import { eventually } from '../../support/start-stage.ts';
import { noTotals } from './status-facts.ts';

describe('the history behind the status page', () => {
  it('keeps half an hour in samples, ten seconds apart, and takes one for whoever looks', async () => {
    const clock = new ManualClock();
    let mail = 0;
    const read = () => Promise.resolve({ totals: { ...noTotals, mail }, latency: [], owed: mail });
    const history = createHistory({ read, clock });
    mock.timers.enable({ apis: ['setInterval'] });
    try {
      const started = clock.monotonic();
      await history.start();
      assert.equal(history.lastGrowth().size, 0);
      for (let second = 10; second <= 3_600; second += 10) {
        await clock.advance(10_000);
        mail += 1;
        mock.timers.tick(10_000);
        await settleMicrotasks();
      }
      const grown = clock.now();
      await clock.advance(1_000);
      const samples = await history.samples();
      assert.equal(samples.length, 182);
      assert.equal(samples[0]?.at, started + 1_800_000);
      assert.equal(samples.at(-1)?.at, clock.monotonic());
      assert.equal(samples.at(-1)?.totals.mail, 360);
      assert.deepEqual([...history.lastGrowth()], [['mail', grown]]);
      assert.equal((await history.samples()).length, 182, 'looking keeps nothing');
    } finally {
      history.stop();
      mock.timers.reset();
    }
  });

  it('reads its totals off the metrics, over all their labels', async () => {
    const metrics = createMetrics();
    metrics.events.inc({ event: 'MessageNew' }, 3);
    metrics.events.inc({ event: 'MessageRead' }, 2);
    for (const answer of ['keep', 'flag', 'file', 'failed']) {
      metrics.classifications.inc({ road: 'socket', answer });
    }
    metrics.dictCommands.inc({ command: 'lookup', result: 'ok' }, 4);
    metrics.dictCommands.inc({ command: 'commit', result: 'refused' });
    metrics.dictCommands.inc({ command: 'commit', result: 'failed' });
    metrics.doveadmRequests.inc({ command: 'fetch', result: 'ok' });
    metrics.doveadmRequests.inc({ command: 'fetch', result: 'failed' });
    metrics.doveadmRequests.inc({ command: 'list', result: 'ok' });
    metrics.pushes.inc({ kind: 'message', outcome: 'accepted' }, 7);
    metrics.pushes.inc({ kind: 'message', outcome: 'timeout' }, 2);
    metrics.pushes.inc({ kind: 'test', outcome: 'forbidden' });
    metrics.pushes.inc({ kind: 'message', outcome: 'gone' });
    metrics.outboxDropped.inc({ reason: 'gone' });
    metrics.outboxDropped.inc({ reason: 'expired' });
    metrics.eventsGivenUp.inc({ reason: 'damaged' });
    metrics.pushLatency.observe(0.02);
    assert.deepEqual(await readTotals(metrics), {
      ...{ events: 5, mail: 3, classified: 3, chat: 2, classifyFailed: 1 },
      ...{ dict: 5, dictFailed: 1, doveadm: 1, doveadmFailed: 1 },
      ...{ accepted: 7, failed: 4, faults: 3, refused: 1, dropped: 2, lost: 1, eventsGivenUp: 1 },
    });
    const latency = await readLatency(metrics);
    assert.deepEqual(latency.at(-1), { seconds: Infinity, count: 1 });
    assert.equal(latency.find(({ seconds }) => seconds === 0.01)?.count, 0);
    assert.equal(latency.find(({ seconds }) => seconds === 0.025)?.count, 1);
  });

  it('keeps the last twelve attempts, the newest first', () => {
    let now = 0;
    const attempts = createRecentAttempts(() => ++now);
    const attempt = { kind: 'test', service: 'https://a.example', seconds: 0 } as const;
    for (let count = 0; count < 100; count++) {
      attempts.note({ ...attempt, delivered: true, outcome: 'accepted' });
    }
    assert.deepEqual(
      attempts.list().map(({ at }) => at),
      Array.from({ length: 12 }, (_, index) => 100 - index),
    );
  });
});

describe('the readiness behind the status page', () => {
  it('is looked at once for all who watch, and again after a while', async () => {
    const clock = new ManualClock();
    let looks = 0;
    const check = (): Promise<void> => {
      looks++;
      return Promise.resolve();
    };
    const latest = createReadinessWatch([{ name: 'store', check }], clock);
    const reports = await Promise.all([latest(), latest(), latest()]);
    assert.deepEqual(reports[2], { ready: true, checks: { store: 'ok' } });
    await latest();
    assert.equal(looks, 1);
    await clock.advance(5_000);
    await latest();
    assert.equal(looks, 2);
  });

  it('is what it was last while a look hangs', async () => {
    const clock = new ManualClock();
    const gate = Promise.withResolvers<undefined>();
    let hangs = false;
    const check = (): Promise<void> => (hangs ? gate.promise : Promise.resolve());
    const latest = createReadinessWatch([{ name: 'doveadm', check }], clock);
    const first = await latest();
    hangs = true;
    await clock.advance(5_000);
    assert.equal(await latest(), first, 'the page does not wait');
    gate.resolve(undefined);
    await eventually(async () => assert.notEqual(await latest(), first));
  });
});
