import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { openSqliteOutboxStore } from '../../../src/stores/sqlite/sqlite-outbox-store.ts';
import type { AttemptResult } from '../../../src/webpush/client/attempt-result.ts';
import { createPushClient } from '../../../src/webpush/client/push-client.ts';
import { parseGuardPolicy } from '../../../src/webpush/guard/guard-policy.ts';
import { DeliveryRig, receiverKeys, SERVICE, status } from '../../support/delivery-rig.ts';
import { makeCertificates } from '../../support/make-certificates.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { later } from '../../support/push-answers.ts';
import { answerWith, startPushService, type Answer } from '../../support/push-service.ts';
import { makeTempDir } from '../../stores/make-temp-dir.ts';
import { teardownOf } from '../../support/create-teardown.ts';

const DAY = 86_400_000;
const unanswered: AttemptResult = { kind: 'failed', reason: 'timeout', unanswered: true };
/** When a push goes out that never gets an answer, by a chance of one half. */
const TIMES = [0, 60_000, 420_000, 2_580_000, 15_540_000];

const topics = (rig: DeliveryRig) => rig.sent.map(({ request }) => request.headers['Topic']);

async function start(answer: () => AttemptResult = () => unanswered): Promise<DeliveryRig> {
  const rig = new DeliveryRig({ answer });
  await rig.delivery.start();
  return rig;
}

describe('a push that was perhaps delivered', () => {
  it('goes out five times in its 24 hours, and not 150 times', async () => {
    const rig = await start();
    await rig.delivery.enqueue([rig.push('alice/1')]);
    await rig.clock.advance(DAY + 60_000);
    const times = rig.sent.map(({ at }) => at);
    assert.deepEqual(times, TIMES);
    assert.equal(rig.counted.at(-1), 'dropped expired');
    assert.equal(rig.book.has('alice', '1'), true);
  });

  it('has one topic for all repeats (RFC 8030 section 5.4), and each push has another', async () => {
    const rig = await start();
    const payload = (subject: string) => ({ payload: JSON.stringify({ subject, uid: 1 }) });
    await rig.delivery.enqueue([
      rig.push('alice/1', payload('a')),
      rig.push('bob/1', payload('b')),
    ]);
    await rig.clock.advance(DAY);
    const of = (user: string) => rig.sent.filter(({ to }) => to.startsWith(user));
    const [first, ...repeats] = of('alice').map(({ request }) => request.headers['Topic']);
    assert.equal(first, undefined);
    assert.equal(repeats.length, 4);
    assert.equal(new Set(repeats).size, 1);
    assert.match(repeats[0] ?? '', /^[A-Za-z0-9_-]{32}$/);
    assert.equal(new Set(topics(rig)).size, 3);
  });

  it('keeps the topic that it has of itself', async () => {
    const rig = await start();
    const payload = JSON.stringify({ uid: 7, uidvalidity: 9, folder: 'INBOX' });
    await rig.delivery.enqueue([rig.push('alice/1', { payload })]);
    await rig.clock.advance(DAY);
    assert.equal(new Set(topics(rig)).size, 1);
    assert.match(topics(rig)[0] ?? '', /^[A-Za-z0-9_-]{32}$/);
  });

  it('stands in the way of nothing else', async () => {
    const rig = await start();
    const [one, two] = [rig.push('alice/1'), rig.push('alice/1')];
    await rig.delivery.enqueue([one, two]);
    await rig.clock.advance(1_000);
    rig.answer = () => status(201);
    await rig.delivery.enqueue([rig.push('alice/1')]);
    await rig.clock.advance(10_000);
    assert.deepEqual(rig.log, [
      '0 alice/1 {"uid":1}',
      '200 alice/1 {"uid":2}',
      '1000 alice/1 {"uid":3}',
    ]);
    await rig.clock.advance(60_000);
    assert.deepEqual(rig.log.slice(3), ['60000 alice/1 {"uid":1}', '60200 alice/1 {"uid":2}']);
    assert.deepEqual(await rig.owed(), []);
  });

  it('leaves its push resource ever more rest, up to a minute, for what comes after it', async () => {
    const rig = await start();
    await rig.delivery.enqueue(Array.from({ length: 8 }, () => rig.push('alice/1')));
    await rig.clock.advance(300_000);
    const firsts = new Map(rig.sent.toReversed().map(({ payload, at }) => [payload, at]));
    assert.deepEqual(
      [...firsts.values()].toReversed(),
      [0, 200, 5_200, 15_200, 35_200, 75_200, 135_200, 195_200],
    );
  });

  it('is not tried early, whatever its push service does', async () => {
    const rig = await start();
    for (let user = 0; user < 20; user += 1) {
      await rig.delivery.enqueue([rig.push(`user${user}/1`)]);
      await rig.clock.advance(1_000);
    }
    await rig.clock.advance(20_000);
    assert.deepEqual(rig.delivery.levels().origins, { open: 0, failing: 1 });
    rig.answer = () => status(201);
    await rig.delivery.enqueue([rig.push('newcomer/1')]);
    await rig.clock.advance(1_000);
    assert.deepEqual(rig.delivery.levels().origins, { open: 1, failing: 0 });
    assert.equal(rig.sent.length, 21);
    await rig.clock.advance(60_000);
    assert.equal(rig.sent.length, 41);
    assert.deepEqual(await rig.owed(), []);
  });

  it('is tried as often as others when it gets an answer later', async () => {
    let sent = 0;
    const rig = await start(() => ((sent += 1) === 1 ? unanswered : status(500)));
    await rig.delivery.enqueue([rig.push('alice/1', { payload: '{"subject":"a"}' })]);
    await rig.clock.advance(90_000);
    assert.deepEqual(
      rig.sent.map(({ at }) => at),
      [0, 60_000, 65_000, 75_000],
    );
    assert.equal(new Set(topics(rig)).size, 2);
  });

  it('is the same one after a restart', async (t) => {
    const clock = new ManualClock();
    const dir = makeTempDir();
    teardownOf(t).defer(() => dir.remove());
    const path = join(dir.path, 'outbox.db');
    const open = () => openSqliteOutboxStore(path, { rememberMsecs: DAY, clock });
    const sent: [number, string | undefined][] = [];
    const began = clock.monotonic();
    // Restarts, each a while before the push goes out or right after it.
    for (const [pause, count] of [
      ...[[50_000, 1] as const, [10_000, 2] as const, [350_000, 2] as const, [10_000, 3] as const],
      ...[[2_000_000, 3] as const, [160_000, 4] as const, [12_000_000, 4] as const],
      ...[[960_000, 5] as const, [DAY, 5] as const],
    ]) {
      const store = await open();
      const rig = new DeliveryRig({ clock, store, answer: () => unanswered });
      if (sent.length === 0 && clock.monotonic() === began) {
        await rig.delivery.start();
        await rig.delivery.enqueue([rig.push('alice/1', { payload: '{"subject":"a"}' })]);
      } else {
        rig.book.set('alice', '1', { endpoint: `${SERVICE}/alice/1`, keys: receiverKeys });
        await rig.delivery.start();
      }
      const offset = clock.monotonic() - began;
      await clock.advance(pause);
      await waitUntil(async () => {
        const [push] = await store.page(0, 1);
        return push === undefined || push.unanswered === count;
      });
      for (const { at, request } of rig.sent) sent.push([offset + at, request.headers['Topic']]);
      await rig.delivery.stop(0);
      await store.close();
    }
    assert.deepEqual(
      sent.map(([at]) => at),
      TIMES,
    );
    assert.equal(new Set(sent.slice(1).map(([, topic]) => topic)).size, 1);
  });

  it('is one whose answer a process did not live to see', async () => {
    const first = await start();
    first.answer = () => new Promise(() => undefined);
    await first.delivery.enqueue([first.push('alice/1', { payload: '{"subject":"a"}' })]);
    await first.clock.advance(1_000);
    const stopped = first.delivery.stop(5_000);
    await first.clock.advance(5_000);
    await stopped;
    const { clock, store, book } = first;
    const second = new DeliveryRig({ clock, store, book });
    await second.delivery.start();
    await clock.advance(59_000);
    assert.equal(second.sent.length, 0);
    await clock.advance(1_000);
    assert.match(topics(second)[0] ?? '', /^[\w-]{32}$/);
    assert.deepEqual(await second.owed(), []);
  });

  it('is left alone for as long as its push service asked for later, after a restart too', async () => {
    const answers = [unanswered, status(429, '1800')];
    const first = await start(() => answers.shift() ?? status(201));
    await first.delivery.enqueue([first.push('alice/1')]);
    await first.clock.advance(61_000);
    assert.equal(first.sent.length, 2);
    await first.delivery.stop(0);
    const { clock, store, book } = first;
    const second = new DeliveryRig({ clock, store, book });
    await second.delivery.start();
    await clock.advance(1_798_000);
    assert.deepEqual(second.log, []);
    await clock.advance(1_000);
    assert.deepEqual(await second.owed(), []);
  });

  it('is settled when its answer comes while a stop notes that it has none', async () => {
    const answer = Promise.withResolvers<AttemptResult>();
    const rig = await start();
    rig.answer = () => answer.promise;
    await rig.delivery.enqueue([rig.push('alice/1')]);
    await rig.clock.advance(0);
    const postpone = rig.store.postpone.bind(rig.store);
    rig.store.postpone = async (...args) => {
      answer.resolve(status(201));
      await rig.clock.advance(0);
      await postpone(...args);
    };
    const stopped = rig.delivery.stop(1_000);
    await rig.clock.advance(1_000);
    await stopped;
    assert.deepEqual(await rig.owed(), []);
  });

  it('has the push behind it rest, also when the one between them is gone', async () => {
    const rig = await start();
    const answer = Promise.withResolvers<AttemptResult>();
    rig.answer = () => answer.promise;
    await rig.delivery.enqueue(Array.from({ length: 3 }, () => rig.push('alice/1')));
    await rig.clock.advance(0);
    const [, between] = await rig.delivery.list(0, 3);
    await rig.delivery.drop(between?.id ?? 0);
    answer.resolve(unanswered);
    await rig.clock.advance(1_000);
    assert.deepEqual(rig.log, ['0 alice/1 {"uid":1}', '200 alice/1 {"uid":3}']);
  });

  it('has its time for validation counted from each sending', async () => {
    const rig = await start();
    const expiresAt = rig.clock.now() + 300_000;
    const validation = { kind: 'validation', payload: '{"validation":"x"}', expiresAt } as const;
    await rig.delivery.enqueue([rig.push('alice/1', validation)]);
    await rig.clock.advance(300_000);
    assert.equal(rig.sent.length, 2);
    assert.deepEqual(rig.book.validationsSent, ['alice 1?', 'alice 1?']);
  });
});

describe('a real push service that takes a push and does not answer', () => {
  const resets: Answer = (response) => void response.destroy();
  const hangs: Answer = () => undefined;
  const late = later(3_000);

  for (const [what, answer] of [
    ['resets the connection', resets],
    ['says nothing', hangs],
    ['answers after its time', late],
    [
      'says 100 Continue and hangs up',
      (_r, _p, socket) => void socket.end('HTTP/1.1 100 C\r\n\r\n'),
    ],
  ] as [string, Answer][]) {
    it(`gets it a minute later, with a Topic, when it ${what}`, async (t) => {
      const { rig, service } = await setUp(t, answer);
      const push = rig.push('alice/1', { payload: '{"subject":"a"}' }, service.origin);
      await rig.delivery.enqueue([push]);
      await waitUntil(async () => (await rig.store.page(0, 1))[0]?.unanswered === 1);
      await rig.clock.advance(59_000);
      assert.equal(service.pushes.length, 1);
      assert.equal(service.pushes[0]?.headers['topic'], undefined);
      service.answer = answerWith(201);
      await rig.clock.advance(1_000);
      await waitUntil(async () => (await rig.owed()).length === 0);
      assert.equal(service.pushes.length, 2);
      assert.match(String(service.pushes[1]?.headers['topic']), /^[A-Za-z0-9_-]{32}$/);
    });
  }
});

async function setUp(t: TestContext, answer: Answer) {
  const service = await startPushService({ answer });
  teardownOf(t).defer(() => service.close());
  const policy = parseGuardPolicy(['127.0.0.1']);
  const ca = [makeCertificates().ca];
  // As long as a connection may take where many other tests run.
  const client = createPushClient({ timeoutMsecs: 2_000, policy, ca });
  teardownOf(t).defer(() => client.close());
  const rig = new DeliveryRig({ client, policy });
  await rig.delivery.start();
  return { rig, service };
}

async function waitUntil(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 10));
}
