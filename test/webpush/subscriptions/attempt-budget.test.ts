import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createLogger } from '../../../src/logging.ts';
import { openStore } from '../../../src/stores/open-store.ts';
import type { Store } from '../../../src/stores/store.ts';
import { AbuseThrottle } from '../../../src/webpush/subscriptions/abuse-throttle.ts';
import { AttemptBudget } from '../../../src/webpush/subscriptions/attempt-budget.ts';
import { SubscriptionRefusedError } from '../../../src/webpush/subscriptions/subscription-refused-error.ts';
import { Subscriptions } from '../../../src/webpush/subscriptions/subscriptions.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { makeTempDir } from '../../stores/make-temp-dir.ts';
import { RedisServer } from '../../stores/redis/redis-server.ts';
import { subscriptionJson, tokenOf } from './subscription-fixtures.ts';

const HOUR = 3_600_000;
const STRANGER = 'https://stranger.example.net/somebody';

interface RigOptions {
  store?: Store;
  clock?: ManualClock;
  perUser?: number;
  perHost?: number;
}

function start(options: RigOptions = {}) {
  const clock = options.clock ?? new ManualClock();
  const store = options.store ?? new MemoryStore();
  const exceeded: string[] = [];
  const throttle = new AbuseThrottle({
    ...{ clock, refusals: 5, pauseMsecs: 10_000, lockoutMsecs: HOUR },
  });
  const budget = new AttemptBudget({
    ...{ clock, perUser: options.perUser ?? 30, perHost: options.perHost ?? 20_000 },
    periodMsecs: HOUR,
    onExceeded: (which, user, host) => exceeded.push(`${which} ${user} ${host}`),
  });
  const subscriptions = new Subscriptions({
    ...{ store, clock, budget, log: createLogger('silent'), limit: 10, expireMsecs: 300_000 },
    onChange: (user, change, endpoint) => {
      if (change === 'abandoned') throttle.refused(user, endpoint);
      if (change === 'validated') throttle.validated(user, endpoint);
    },
  });
  /** @returns whether it was taken, and so whether a push went out */
  const register = async (user: string, endpoint: string, id = 'another-subscription') => {
    try {
      return await subscriptions.register(user, id, subscriptionJson({ endpoint }));
    } catch (error) {
      assert.ok(error instanceof SubscriptionRefusedError && error.reason === 'attempts');
      return undefined;
    }
  };
  const validate = async (
    user: string,
    endpoint: string,
    id = 'another-subscription',
  ): Promise<boolean> => {
    const push = await register(user, endpoint, id);
    if (push) await subscriptions.validate(user, id, tokenOf(push));
    return push !== undefined;
  };
  return { clock, store, throttle, budget, subscriptions, exceeded, register, validate };
}

describe('pushes to a stranger', () => {
  it('are bounded however often a subscription of one’s own is validated between them', async () => {
    const rig = start();
    let toStranger = 0;
    for (let round = 0; round < 1_000; round += 1) {
      if (rig.throttle.admit('mallory').admitted) {
        if (await rig.register('mallory', STRANGER)) toStranger += 1;
      }
      if (rig.throttle.admit('mallory').admitted) {
        await rig.validate('mallory', 'https://stranger.example.net/own');
      }
      await rig.clock.advance(40);
    }
    assert.ok(toStranger <= 10, `${toStranger} pushes in 40 s`);
  });

  it('are bounded without pauses, too, and told once they are', async () => {
    const rig = start({ perUser: 30 });
    let toStranger = 0;
    for (let round = 0; round < 100; round += 1) {
      if (await rig.register('mallory', `${STRANGER}/${round}`)) toStranger += 1;
      await rig.validate('mallory', 'https://stranger.example.net/own');
    }
    assert.equal(toStranger, 30);
    assert.equal(rig.exceeded[0], 'user mallory stranger.example.net');
  });

  it('from many users are bounded by the host’s budget', async () => {
    const rig = start({ perHost: 100 });
    let sent = 0;
    for (let user = 0; user < 50; user += 1) {
      for (let round = 0; round < 10; round += 1) {
        if (await rig.register(`mallory${user}`, STRANGER)) sent += 1;
      }
    }
    assert.equal(sent, 100);
    assert.ok(await rig.register('alice', 'https://push.example.org/alice'));
    await rig.clock.advance(HOUR / 10);
    for (let user = 100; user < 200; user += 1) {
      if (await rig.register(`mallory${user}`, STRANGER)) sent += 1;
    }
    assert.equal(sent, 110);
  });
});

describe('honest use', () => {
  it('of a large site on one push service meets no budget: 100,000 users, a fifth never validates', () => {
    let msecs = 0;
    const clock = { now: () => msecs, monotonic: () => msecs };
    const budget = new AttemptBudget({
      ...{ clock, perUser: 30, perHost: 20_000, periodMsecs: HOUR },
    });
    for (let user = 0; user < 100_000; user += 1) {
      msecs += HOUR / 100_000;
      const endpoint = `https://fcm.example.com/${user}`;
      budget.plan(`user${user}`, undefined, [endpoint], []).settle();
      if (user % 5 > 0) budget.plan(`user${user}`, undefined, [], [endpoint]).settle();
    }
  });

  it('of one user who validates costs nothing, however often', async () => {
    const rig = start();
    for (let round = 0; round < 200; round += 1) {
      assert.ok(await rig.validate('alice', `https://push.example.org/${round}`));
    }
  });

  it('is forgiven the tries of the device that is validated in the end', async () => {
    const rig = start();
    const own = 'https://push.example.org/alice';
    for (let round = 0; round < 29; round += 1) assert.ok(await rig.register('alice', own));
    assert.ok(await rig.validate('alice', own));
    for (let round = 0; round < 30; round += 1) assert.ok(await rig.register('alice', STRANGER));
    assert.equal(await rig.register('alice', own), undefined);
  });
});

describe('the clock', () => {
  for (const days of [-400, -1, 1, 400]) {
    it(`may step by ${days} days: a budget is neither lifted nor prolonged`, async () => {
      const rig = start({ perUser: 3 });
      for (let round = 0; round < 3; round += 1) await rig.register('mallory', STRANGER);
      rig.clock.step(days * 86_400_000);
      assert.equal(await rig.register('mallory', STRANGER), undefined);
      await rig.clock.advance(HOUR - 1);
      assert.equal(await rig.register('mallory', STRANGER), undefined);
      await rig.clock.advance(1);
      assert.ok(await rig.register('mallory', STRANGER));
    });
  }

  it('that was ahead before a restart prolongs nothing beyond one period', async () => {
    const one = start({ perUser: 1 });
    one.clock.step(400 * 86_400_000);
    await one.register('mallory', STRANGER);
    one.clock.step(-400 * 86_400_000);
    const two = start({ perUser: 1, store: one.store, clock: one.clock });
    assert.equal(await two.register('mallory', STRANGER), undefined);
    await two.clock.advance(HOUR);
    assert.ok(await two.register('mallory', STRANGER));
  });
});

it('an administrator lifts a budget, and damage is not held against anybody', async () => {
  const rig = start({ perUser: 1 });
  await rig.register('mallory', STRANGER);
  assert.equal(rig.budget.lift('mallory'), true);
  assert.ok(await rig.register('mallory', STRANGER));
  for (const text of ['', '{', '{"version":1,"attempts":7}', '{"version":1,"attempts":[null]}']) {
    const change = start().budget.plan('u', Buffer.from(text), [STRANGER], []);
    assert.equal(change.changes.length, 1);
  }
});

describe('a restart', () => {
  const dir = makeTempDir();
  let redis: RedisServer;
  before(async () => {
    redis = await RedisServer.start();
  });
  after(async () => {
    await redis.stop();
    dir.remove();
  });

  for (const kind of ['sqlite', 'redis']) {
    it(`over ${kind} gives nobody a new budget, neither users nor hosts`, async () => {
      const url = kind === 'sqlite' ? `sqlite:${dir.path}/state.db` : redis.url();
      const open = () => openStore(url, { log: createLogger('silent') });
      const clock = new ManualClock();
      let store = await open();
      const one = start({ store, clock, perUser: 5, perHost: 8 });
      for (let round = 0; round < 5; round += 1) assert.ok(await one.register('mallory', STRANGER));
      await store.close();

      store = await open();
      const two = start({ store, clock, perUser: 5, perHost: 8 });
      await two.subscriptions.sweepAll();
      assert.equal(await two.register('mallory', STRANGER), undefined);
      for (const user of ['a', 'b', 'c']) assert.ok(await two.register(user, STRANGER));
      assert.equal(await two.register('d', STRANGER), undefined);
      assert.deepEqual(
        two.exceeded.map((line) => line.split(' ')[0]),
        ['user', 'host'],
      );
      await store.close();
    });
  }
});
