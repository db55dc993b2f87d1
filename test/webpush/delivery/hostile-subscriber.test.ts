import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AttemptResult } from '../../../src/webpush/client/attempt-result.ts';
import type { FailureReason } from '../../../src/webpush/client/classify-failure.ts';
import { EARLY_PROBE_MSECS, PROBE_MSECS } from '../../../src/webpush/delivery/origin-gate.ts';
import {
  DeliveryRig,
  receiverKeys,
  SERVICE,
  status,
  type RigAnswer,
} from '../../support/delivery-rig.ts';
import { ManualClock } from '../../support/manual-clock.ts';

/** `webpush.timeout_msecs` of the rig. */
const TIMEOUT = 2_000;
const MINUTES = 10;
/** How much later than at once anybody else's push may go out because of the hostile one. */
const MOMENT_MSECS = 1_000;

type Misbehaviour = (rig: DeliveryRig) => AttemptResult | Promise<AttemptResult>;

/** `webpush.answer_timeout_msecs` as it is unless set. */
const ANSWER_TIMEOUT = 10_000;

const failed = (reason: FailureReason): AttemptResult => ({ kind: 'failed', reason });
/** The request was written, and perhaps taken. */
const unanswered = (reason: FailureReason): AttemptResult => ({
  ...{ kind: 'failed', reason, unanswered: true },
});
const after = (rig: DeliveryRig, msecs: number, result: AttemptResult): Promise<AttemptResult> =>
  new Promise((resolve) => rig.clock.set(() => resolve(result), msecs));

const RETRY_AFTER = [
  ...[undefined, '0', '1', '60', '86400', '99999999999999999999999', '9'.repeat(16_000)],
  ...['-1', '1.5', 'soon', '', 'Fri, 31 Dec 9999 23:59:59 GMT', 'Sun, 06 Nov 1994 08:49:37 GMT'],
  ...['Sunday, 06-Nov-94 08:49:37 GMT', 'Sun Nov  6 08:49:37 1994'],
];

/** All that a push service can answer for one push resource, and all ways not to. */
const MISBEHAVIOURS: [name: string, Misbehaviour][] = [
  ...RETRY_AFTER.map((value): [string, Misbehaviour] => [
    `429 with Retry-After: ${value?.slice(0, 40)}`,
    () => status(429, value),
  ]),
  ...[503, 406].flatMap((code) =>
    [undefined, '0', '86400'].map((value): [string, Misbehaviour] => [
      `${code} with Retry-After: ${value}`,
      () => status(code, value),
    ]),
  ),
  ...[200, 301, 307, 400, 401, 403, 404, 408, 410, 413, 418, 425, 500, 502, 504, 599, 600].map(
    (code): [string, Misbehaviour] => [`${code}`, () => status(code)],
  ),
  ['401 after a while', (rig) => after(rig, 1_900, status(401))],
  ['no connection', (rig) => after(rig, TIMEOUT, failed('timeout'))],
  ['a hang, or 1xx alone', (rig) => after(rig, ANSWER_TIMEOUT, unanswered('timeout'))],
  ['a hang after the headers', (rig) => after(rig, 250, status(503))],
  ['an answer at the last moment', (rig) => after(rig, TIMEOUT - 1, status(500))],
  ['an answer at the very last moment', (rig) => after(rig, ANSWER_TIMEOUT - 1, status(500))],
  ['a slow drip', (rig) => after(rig, 1_500, status(429, '86400'))],
  ['a reset', () => failed('reset')],
  ['a reset of what was perhaps taken', () => unanswered('reset')],
  ['a reset after a while', (rig) => after(rig, 1_900, unanswered('reset'))],
  ['a TLS failure', () => failed('tls')],
  ['no HTTP', () => unanswered('protocol')],
  ['a refused connection', () => failed('refused')],
  ['a name that does not resolve', () => failed('dns')],
  ['a name that turns private', () => failed('guard')],
  ['a proxy that refuses this one', () => failed('proxy')],
];

interface Expected {
  at: number;
  payload: string;
}

/** Twenty subscribers of one push service, the first of whom is up to no good with all his ten. */
async function simulate(misbehave: Misbehaviour, hostileUsers = 1) {
  const expected: Expected[] = [];
  const arrived = new Map<string, number>();
  const rig = new DeliveryRig({
    ...{ timeoutMsecs: TIMEOUT, maxPushes: 1_000_000, unencrypted: true },
  });
  const answer: RigAnswer = async ({ to, payload, at }) => {
    if (to.startsWith('mallory')) return misbehave(rig);
    if (!arrived.has(payload)) arrived.set(payload, at);
    return after(rig, 50, status(201));
  };
  rig.answer = answer;
  await rig.delivery.start();

  // The service is known, and stays so as long as anything is owed.
  await rig.delivery.enqueue([rig.push('user0/1'), rig.push('mallory0/0')]);
  await rig.clock.advance(100);
  const began = rig.clock.monotonic() - 100;
  for (let second = 0; second < 60 * MINUTES; second += 1) {
    const pushes = [];
    for (let mallory = 0; mallory < hostileUsers; mallory += 1) {
      pushes.push(rig.push(`mallory${mallory}/${second % 10}`));
      const validation = { kind: 'validation', expiresAt: rig.clock.now() + 300_000 } as const;
      if (second % 30 === 0) pushes.push(rig.push(`mallory${mallory}/new${second}`, validation));
    }
    const honest = rig.push(`user${second % 19}/1`);
    pushes.push(honest);
    if (second % 20 === 7) {
      const validation = { kind: 'validation', payload: `{"validation":"${second}"}` } as const;
      pushes.push(rig.push(`newcomer${second}/1`, validation));
    }
    for (const { payload, user } of pushes) {
      if (user.startsWith('mallory')) continue;
      expected.push({ at: rig.clock.monotonic() - began, payload });
    }
    await rig.delivery.enqueue(pushes);
    await rig.clock.advance(1_000);
  }
  await rig.clock.advance(20 * MOMENT_MSECS);
  const delays = expected.map(({ at, payload }) => (arrived.get(payload) ?? Infinity) - at);
  const stopped = rig.delivery.stop(0);
  await rig.clock.advance(0);
  await stopped;
  return { worst: Math.max(...delays), rig };
}

describe('one hostile subscriber of twenty, for ten minutes', () => {
  for (const [name, misbehave] of MISBEHAVIOURS) {
    it(`delays nobody else by more than a moment: ${name}`, async () => {
      const { worst } = await simulate(misbehave);
      assert.ok(worst <= MOMENT_MSECS, `a push of somebody else was ${worst} ms late`);
    });
  }
});

describe('eight hostile subscribers of twenty-seven', () => {
  for (const [name, misbehave] of [
    ['429 for a day', () => status(429, '86400')],
    ['500', () => status(500)],
    ['a reset', () => failed('reset')],
    ['no connection', (rig) => after(rig, TIMEOUT, failed('timeout'))],
    ['a hang', (rig) => after(rig, ANSWER_TIMEOUT, unanswered('timeout'))],
  ] as [string, Misbehaviour][]) {
    it(`delay nobody else by more than a moment either: ${name}`, async () => {
      const { worst } = await simulate(misbehave, 8);
      assert.ok(worst <= MOMENT_MSECS + 100, `a push of somebody else was ${worst} ms late`);
    });
  }
});

describe('a push service that is down for everybody', () => {
  const DOWN_MSECS = 1_800_000;
  const RECOVERY_MSECS = EARLY_PROBE_MSECS + 1_000;

  for (const [name, misbehave, users] of [
    ['503', () => status(503), 20],
    ['503, for five users only', () => status(503), 5],
    ['a refused connection', () => failed('refused'), 200],
    ['no connection', (rig) => after(rig, TIMEOUT, failed('timeout')), 20],
  ] as [string, Misbehaviour, number][]) {
    it(`gets a probe a second at most, and all that is owed when it is back: ${name}`, async () => {
      let down = true;
      const rig = new DeliveryRig({ timeoutMsecs: TIMEOUT, unencrypted: true });
      rig.answer = () => (down ? misbehave(rig) : status(201));
      await rig.delivery.start();
      for (let user = 0; user < users; user += 1) {
        await rig.delivery.enqueue([rig.push(`user${user}/1`), rig.push(`user${user}/1`)]);
        await rig.clock.advance(10);
      }
      await rig.clock.advance(30_000);
      assert.deepEqual(rig.delivery.levels().origins, { open: 0, failing: 1 });
      const before = rig.sent.length;
      await rig.clock.advance(DOWN_MSECS);
      const probes = rig.sent.slice(before).map(({ at }) => at);
      const gaps = probes.slice(1).map((at, index) => at - (probes[index] ?? 0));
      assert.ok(Math.min(...gaps) >= PROBE_MSECS, `probes ${Math.min(...gaps)} ms apart`);
      assert.ok(Math.max(...gaps) <= RECOVERY_MSECS, `no probe for ${Math.max(...gaps)} ms`);

      down = false;
      await rig.clock.advance(RECOVERY_MSECS);
      assert.deepEqual(await rig.owed(), []);
      assert.deepEqual(rig.delivery.levels().origins, { open: 0, failing: 0 });
    });
  }

  it('is asked by nobody whom it told to wait, and by newcomers once a second', async () => {
    const rig = new DeliveryRig({ unencrypted: true, answer: () => status(429, '1800') });
    await rig.delivery.start();
    for (let user = 0; user < 20; user += 1) {
      await rig.delivery.enqueue([rig.push(`user${user}/1`), rig.push(`user${user}/1`)]);
    }
    await rig.clock.advance(30_000);
    assert.equal(rig.sent.length, 20);
    await rig.delivery.enqueue([rig.push('newcomer/1')]);
    await rig.clock.advance(0);
    await rig.delivery.enqueue([1, 2, 3].map((id) => rig.push(`another${id}/1`)));
    await rig.clock.advance(1_700_000);
    assert.deepEqual(
      rig.sent.slice(20).map(({ at }) => at),
      [30_000, 31_000, 32_000, 33_000],
    );
    assert.equal(rig.delivery.levels().pausedResources, 24);
    assert.deepEqual(rig.delivery.snapshot().origins, [
      {
        ...{ origin: SERVICE, state: 'failing', owed: 44, paused: 24 },
        ...{ failedInARow: 24, failedUsers: 5, lastFailure: 'throttled' },
      },
    ]);
  });
});

describe('the pause of a push resource', () => {
  const validation = { kind: 'validation', payload: '{"validation":"x"}' } as const;

  it('holds for everything that goes there, and for nothing else of the same user', async () => {
    const rig: DeliveryRig = new DeliveryRig({
      answer: () => status(rig.sent.length === 1 ? 503 : 201, '60'),
    });
    await rig.delivery.start();
    await rig.delivery.enqueue([rig.push('alice/1')]);
    await rig.clock.advance(0);
    await rig.delivery.enqueue([rig.push('alice/1', validation), rig.push('alice/2')]);
    await rig.clock.advance(59_000);
    assert.deepEqual(rig.receivers, ['alice/1', 'alice/2']);
    await rig.clock.advance(1_000);
    assert.deepEqual(rig.receivers, ['alice/1', 'alice/2', 'alice/1', 'alice/1']);
  });

  it('is not over because of what was under way when it began', async () => {
    let requests = 0;
    const rig: DeliveryRig = new DeliveryRig({
      answer: () => ((requests += 1) === 1 ? after(rig, 500, status(201)) : status(429, '60')),
    });
    await rig.delivery.start();
    await rig.delivery.enqueue([rig.push('alice/1'), rig.push('alice/1'), rig.push('bob/1')]);
    await rig.delivery.enqueue([rig.push('alice/1', validation)]);
    await rig.clock.advance(55_000);
    assert.equal(rig.receivers.filter((to) => to === 'alice/1').length, 2);
  });

  it('lasts no longer than an hour without a probe', async () => {
    const rig: DeliveryRig = new DeliveryRig({ answer: () => status(429, '86400') });
    await rig.delivery.start();
    await rig.delivery.enqueue([rig.push('alice/1')]);
    await rig.clock.advance(4 * 3_600_000 - 1);
    assert.deepEqual(
      rig.sent.map(({ at }) => at),
      [0, 1, 2, 3].map((hours) => hours * 3_600_000),
    );
  });

  it('survives a restart, with the time of the push that is owed', async () => {
    const clock = new ManualClock();
    const one = new DeliveryRig({ clock, answer: () => status(429, '3000') });
    await one.delivery.start();
    await one.delivery.enqueue([one.push('alice/1'), one.push('alice/1')]);
    await clock.advance(1_000);
    await one.delivery.stop(0);

    const { store } = one;
    const next = new DeliveryRig({ clock, store });
    next.book.set('alice', '1', { endpoint: `${SERVICE}/alice/1`, keys: receiverKeys });
    await next.delivery.start();
    const another = { ...validation, dedupeKey: 'another' };
    await next.delivery.enqueue([next.push('alice/1', another), next.push('bob/1')]);
    await clock.advance(2_998_000);
    assert.deepEqual(next.receivers, ['bob/1']);
    assert.equal(next.delivery.levels().pausedResources, 2);
    const [first] = await next.delivery.list(0, 1);
    assert.equal(first?.nextAttemptAt, clock.now() + 1_000);
    await clock.advance(1_000);
    assert.deepEqual(await next.owed(), []);
  });

  it('is remembered for a while when nothing is owed any more', async () => {
    const rig: DeliveryRig = new DeliveryRig({
      answer: () => status(rig.sent.length === 1 ? 429 : 201, '60'),
    });
    await rig.delivery.start();
    await rig.delivery.enqueue([rig.push('alice/1', { expiresAt: rig.clock.now() + 5_000 })]);
    await rig.clock.advance(20_000);
    assert.equal(rig.counted.at(-1), 'dropped expired');
    await rig.delivery.enqueue([rig.push('alice/1')]);
    await rig.clock.advance(42_000);
    assert.deepEqual(rig.log.slice(1), ['60000 alice/1 {"uid":2}']);
  });
});

describe('connections to a push service', () => {
  it('are shared: one user has a quarter of them at most, though nobody else waits', async () => {
    const rig = new DeliveryRig({ originLimit: 32 });
    await rig.delivery.start();
    await rig.delivery.enqueue([rig.push('bob/1')]);
    await rig.clock.advance(0);
    rig.answer = () => new Promise(() => undefined);
    const all = (user: string) =>
      Array.from({ length: 40 }, (_, index) => rig.push(`${user}/${index}`));
    // Something stays owed, or the service would be forgotten, and begin slowly again.
    await rig.delivery.enqueue(all('mallory'));
    await rig.clock.advance(100);
    const hanging = rig.receivers.filter((to) => to.startsWith('mallory')).length;
    assert.ok(hanging === 8 || hanging === 1, `${hanging}`);
    rig.answer = () => status(201);
    await rig.delivery.enqueue(all('carol'));
    await rig.clock.advance(100);
    assert.equal(rig.receivers.filter((to) => to.startsWith('carol')).length, 40);
  });
});
