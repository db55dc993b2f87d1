import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { UnavailableError } from '../../../src/errors.ts';
import type { AttemptResult } from '../../../src/webpush/client/attempt-result.ts';
import { ManualClock, settleMicrotasks } from '../../support/manual-clock.ts';
import { MemoryOutboxStore } from '../../support/memory-outbox-store.ts';
import { DeliveryRig, SERVICE, status, type RigOptions } from '../../support/delivery-rig.ts';

const OTHER = 'https://other.example.net';
const forever = new Promise<never>(() => undefined);
const after = (rig: DeliveryRig, msecs: number, result = status(201)): Promise<AttemptResult> =>
  new Promise((resolve) => rig.clock.set(() => resolve(result), msecs));

async function start(options: RigOptions = {}): Promise<DeliveryRig> {
  const rig = new DeliveryRig(options);
  await rig.delivery.start();
  return rig;
}

describe('a push on its own', () => {
  it('goes out at once: nothing waits for a timer or for company', async () => {
    const rig = await start();
    await rig.delivery.enqueue([rig.push('alice/1')]);
    await rig.clock.advance(0);
    assert.equal(rig.sent.length, 1);
    assert.deepEqual(await rig.owed(), []);
  });

  it('carries the rest of its life as its TTL, and its urgency', async () => {
    const rig = await start({ answer: () => status(rig.sent.length === 1 ? 500 : 201) });
    const expiresAt = rig.clock.now() + 60_000;
    await rig.delivery.enqueue([rig.push('alice/1', { urgency: 'high', expiresAt })]);
    await rig.clock.advance(1_000);
    const [first, second] = rig.sent.map(({ request }) => request.headers);
    assert.equal(first?.['TTL'], '60');
    assert.equal(second?.['TTL'], '59');
    assert.equal(second['Urgency'], 'high');
  });

  it('is owed once, however often it is handed in', async () => {
    const rig = await start();
    const push = rig.push('alice/1');
    await rig.delivery.enqueue([push, push]);
    await rig.clock.advance(10);
    await rig.delivery.enqueue([push]);
    await rig.clock.advance(10);
    assert.equal(rig.sent.length, 1);
  });
});

describe('order within a subscription', () => {
  it('sends one at a time, first come, first served', async () => {
    const rig = await start({ answer: () => after(rig, 100) });
    await rig.delivery.enqueue([rig.push('alice/1'), rig.push('alice/1'), rig.push('alice/1')]);
    await rig.clock.advance(1_000);
    assert.deepEqual(rig.log, [
      '0 alice/1 {"uid":1}',
      '100 alice/1 {"uid":2}',
      '200 alice/1 {"uid":3}',
    ]);
  });

  it('lets a retrying push block its own subscription, and no other', async () => {
    const rig = await start({
      answer: ({ to }) => status(to === 'alice/1' && rig.sent.length < 6 ? 500 : 201),
    });
    const to = ['alice/1', 'alice/1', 'alice/2', 'bob/1'];
    await rig.delivery.enqueue(to.map((one) => rig.push(one)));
    await rig.clock.advance(20_000);
    assert.deepEqual(rig.log, [
      '0 alice/1 {"uid":1}',
      '0 bob/1 {"uid":4}',
      '0 alice/2 {"uid":3}',
      '200 alice/1 {"uid":1}',
      '5200 alice/1 {"uid":1}',
      '15200 alice/1 {"uid":1}',
      '15200 alice/1 {"uid":2}',
    ]);
  });

  it('lets a validation push past what an older subscription is still owed', async () => {
    const rig = await start({
      answer: ({ payload }) => status(payload.includes('uid') ? 500 : 201),
    });
    await rig.delivery.enqueue([rig.push('alice/1')]);
    await rig.clock.advance(1_000);
    const validation = { kind: 'validation', payload: '{"validation":"x"}' } as const;
    await rig.delivery.enqueue([rig.push('alice/1', validation)]);
    await rig.clock.advance(0);
    assert.equal(rig.log.at(-1), '1000 alice/1 {"validation":"x"}');
  });
});

describe('fairness', () => {
  it('serves the users of a push service in turn', async () => {
    const rig = await start({ originLimit: 1, answer: () => after(rig, 10) });
    const alice = Array.from({ length: 50 }, (_, index) => rig.push(`alice/${index % 10}`));
    await rig.delivery.enqueue(alice);
    await rig.clock.advance(0);
    await rig.delivery.enqueue([rig.push('bob/1'), rig.push('carol/1'), rig.push('bob/2')]);
    await rig.clock.advance(1_000);
    const first = rig.receivers.slice(0, 7).map((to) => to.replace(/\/.*/, ''));
    assert.deepEqual(first, ['alice', 'alice', 'bob', 'carol', 'alice', 'bob', 'alice']);
    assert.equal(rig.sent.length, 53);
  });

  it('serves push services in turn when there is too much for all', async () => {
    const rig = await start({ totalLimit: 1, answer: () => after(rig, 10) });
    const many = Array.from({ length: 20 }, (_, index) => rig.push(`alice/${index}`));
    await rig.delivery.enqueue(many);
    await rig.clock.advance(0);
    await rig.delivery.enqueue([rig.push('bob/1', {}, OTHER), rig.push('bob/2', {}, OTHER)]);
    await rig.clock.advance(1_000);
    assert.deepEqual(
      rig.sent.slice(1, 5).map(({ origin }) => origin),
      [SERVICE, OTHER, SERVICE, OTHER],
    );
  });

  it('keeps to the limits: few to a new service, then the limit of one, and that of all', async () => {
    let underWay = 0;
    const most: number[] = [];
    const rig = await start({
      originLimit: 8,
      totalLimit: 10,
      answer: async () => {
        most.push((underWay += 1));
        const result = await after(rig, 100);
        underWay -= 1;
        return result;
      },
    });
    const to = (user: string, origin?: string) =>
      Array.from({ length: 40 }, (_, index) =>
        rig.push(`${user}${index % 8}/${index}`, {}, origin),
      );
    await rig.delivery.enqueue(to('alice'));
    await rig.clock.advance(50);
    assert.equal(Math.max(...most), 4);
    await rig.clock.advance(200);
    assert.equal(Math.max(...most), 8);
    await rig.delivery.enqueue(to('bob', OTHER));
    await rig.clock.advance(2_000);
    assert.equal(Math.max(...most), 10);
    assert.equal(rig.sent.length, 80);
  });
});

describe('a push service in trouble', () => {
  it('delays no other when it hangs', async () => {
    const rig = await start({ answer: ({ origin }) => (origin === OTHER ? forever : status(201)) });
    const hanging = Array.from({ length: 100 }, (_, n) => rig.push(`user${n}/1`, {}, OTHER));
    await rig.delivery.enqueue(hanging);
    await rig.delivery.enqueue(Array.from({ length: 100 }, (_, n) => rig.push(`user${n}/2`)));
    await rig.clock.advance(0);
    assert.equal(rig.sent.filter(({ origin }) => origin === OTHER).length, 4);
    assert.equal(rig.sent.filter(({ origin }) => origin === SERVICE).length, 100);
  });
});

describe('the end of a push', () => {
  it('comes without its turn when it expired behind others', async () => {
    const rig = await start({ answer: ({ to }) => (to === 'alice/1' ? status(500) : forever) });
    const short = { expiresAt: rig.clock.now() + 6_000 };
    const pushes = [rig.push('alice/1'), rig.push('alice/1', short), rig.push('alice/1')];
    await rig.delivery.enqueue(pushes);
    await rig.clock.advance(10_001);
    assert.deepEqual(await rig.owed(), ['{"uid":1}', '{"uid":3}']);
    assert.deepEqual(rig.counted.at(-1), 'dropped expired');
  });

  it('comes when the outbox is full: whoever owes most loses the oldest, which is counted', async () => {
    const rig = await start({ maxPushes: 5, answer: () => forever });
    const owe = async (...users: string[]): Promise<void> => {
      await rig.delivery.enqueue(users.map((user) => rig.push(`${user}/1`)));
      await rig.clock.advance(0);
    };
    await owe('bob', 'alice', 'alice', 'alice');
    assert.deepEqual(rig.counted, []);
    await owe('alice', 'carol', 'alice');
    assert.deepEqual(rig.counted, ['dropped overflow', 'dropped overflow']);
    assert.deepEqual(
      await rig.owed(),
      [1, 4, 5, 6, 7].map((uid) => `{"uid":${uid}}`),
    );
    assert.equal(rig.delivery.levels().owed, 5);
  });

  it('comes later when the store cannot drop what is too much', async () => {
    const clock = new ManualClock();
    const store = new MemoryOutboxStore({ rememberMsecs: 3_600_000 }, clock);
    const settle = store.settle.bind(store);
    store.settle = () => Promise.reject(new UnavailableError('on purpose'));
    const rig = await start({ ...{ clock, store, maxPushes: 2 }, answer: () => forever });
    await rig.delivery.enqueue(['a', 'a', 'a', 'b'].map((user) => rig.push(`${user}/1`)));
    await rig.clock.advance(0);
    assert.equal(rig.delivery.levels().owed, 4);
    store.settle = settle;
    await rig.delivery.enqueue([rig.push('b/1')]);
    await rig.clock.advance(0);
    assert.equal(rig.delivery.levels().owed, 2);
    assert.deepEqual(
      (await store.page(0, 9)).map(({ user }) => user),
      ['a', 'b'],
    );
  });

  it('lets what is behind it go at once when the outbox is full', async () => {
    const clock = new ManualClock();
    const store = new MemoryOutboxStore({ rememberMsecs: 3_600_000 }, clock);
    const settle = store.settle.bind(store);
    store.settle = async (ids) => {
      await settleMicrotasks();
      return settle(ids);
    };
    const rig = await start({
      ...{ clock, store, maxPushes: 2 },
      answer: ({ payload }) => (payload === '{"uid":1}' ? status(500, '60') : forever),
    });
    const first = rig.push('alice/1', { expiresAt: clock.now() + 3_600_000 });
    await rig.delivery.enqueue([first, rig.push('alice/1')]);
    await rig.clock.advance(0);
    assert.deepEqual(rig.receivers, ['alice/1']);
    await rig.delivery.enqueue([rig.push('bob/1', {}, OTHER)]);
    for (let turn = 0; turn < 3; turn++) await rig.clock.advance(0);
    assert.deepEqual(rig.log, ['0 alice/1 {"uid":1}', '0 bob/1 {"uid":3}', '0 alice/1 {"uid":2}']);
  });
});

describe('the wall clock', () => {
  for (const days of [-400, -1, 1, 400]) {
    it(`may step by ${days} days: no push expires early, comes late or lives longer`, async () => {
      const rig = await start({ answer: () => status(rig.sent.length < 3 ? 500 : 201) });
      await rig.delivery.enqueue([rig.push('alice/1')]);
      await rig.clock.advance(100);
      rig.clock.step(days * 86_400_000);
      await rig.clock.advance(10_000);
      assert.deepEqual(
        rig.sent.map(({ at, request }) => [at, request.headers['TTL']]),
        [
          [0, '86400'],
          [200, '86399'],
          [5_200, '86394'],
        ],
      );
    });
  }
});

describe('any course of events', () => {
  it('ends with every push delivered once, in order, or counted', async () => {
    const answers = fc.constantFrom<AttemptResult>(
      status(201),
      status(201),
      status(201),
      status(500),
      status(429, '3'),
      status(400),
      { kind: 'failed', reason: 'timeout' },
      { kind: 'failed', reason: 'reset' },
    );
    const steps = fc.array(fc.record({ user: fc.nat(3), id: fc.nat(1), wait: fc.nat(3_000) }), {
      maxLength: 40,
    });
    await fc.assert(
      fc.asyncProperty(steps, fc.array(answers, { maxLength: 60 }), async (pushes, script) => {
        let next = 0;
        const delivered: string[] = [];
        const rig = await start({
          originLimit: 2,
          answer: async ({ to, payload }) => {
            const result = script[next++] ?? status(201);
            await after(rig, next % 7 === 0 ? 1_500 : 5);
            if (result.kind === 'response' && result.status === 201)
              delivered.push(`${to} ${payload}`);
            return result;
          },
        });
        for (const { user, id, wait } of pushes) {
          const changes = { expiresAt: rig.clock.now() + 3_600_000 };
          const origin = id === 0 ? SERVICE : OTHER;
          await rig.delivery.enqueue([rig.push(`user${user}/${id}`, changes, origin)]);
          await rig.clock.advance(wait);
        }
        await rig.clock.advance(3_600_000 + 20_000);

        const dropped = rig.counted.filter((what) => what.startsWith('dropped')).length;
        assert.equal(delivered.length + dropped, pushes.length);
        assert.equal(new Set(delivered).size, delivered.length);
        assert.deepEqual(await rig.owed(), []);
        const { owed, unsettled } = rig.delivery.levels();
        assert.deepEqual([owed, unsettled, rig.delivery.snapshot().origins], [0, 0, []]);
        const uids = Map.groupBy(delivered, (line) => line.split(' ')[0]);
        for (const lines of uids.values()) {
          const order = lines.map((line) => Number(/\d+(?=})/.exec(line)?.[0]));
          assert.deepEqual(
            order,
            order.toSorted((a, b) => a - b),
          );
        }
      }),
      { numRuns: 25 },
    );
  });
});
