import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UnavailableError } from '../../../src/errors.ts';
import type { NewPush, OwedPush, Postponement } from '../../../src/stores/outbox-store.ts';
import type { AttemptResult } from '../../../src/webpush/client/attempt-result.ts';
import { MemoryOutboxStore } from '../../support/memory-outbox-store.ts';
import { DeliveryRig, SERVICE, status, type RigOptions } from '../../support/delivery-rig.ts';
import { makeVapidKey } from '../../support/make-vapid-key.ts';
import { settleMicrotasks } from '../../support/manual-clock.ts';

const forever = new Promise<never>(() => undefined);

/** The process that comes after another one, over what that one left. */
const successor = (rig: DeliveryRig, options: RigOptions = {}): DeliveryRig =>
  new DeliveryRig({ store: rig.store, clock: rig.clock, book: rig.book, ...options });

async function start(options: RigOptions = {}): Promise<DeliveryRig> {
  const rig = new DeliveryRig(options);
  await rig.delivery.start();
  return rig;
}

describe('start', () => {
  it('sends what an earlier process owed, in order, where it stood', async () => {
    const first = await start({ answer: () => forever });
    await first.delivery.enqueue(['a/1', 'a/1', 'b/1'].map((to) => first.push(to)));
    await first.clock.advance(0);

    const second = successor(first);
    await second.delivery.start();
    await second.clock.advance(0);
    assert.deepEqual(second.log, ['0 a/1 {"uid":1}', '0 b/1 {"uid":3}', '0 a/1 {"uid":2}']);
    assert.deepEqual(await second.owed(), []);
  });

  it('goes on with the delays of failed attempts', async () => {
    const first = await start({ answer: () => status(500) });
    await first.delivery.enqueue([first.push('a/1')]);
    await first.clock.advance(6_000); // three attempts; the next is due at 15,200
    await first.delivery.stop(0);

    const second = successor(first, { answer: () => status(500) });
    await second.delivery.start();
    await second.clock.advance(60_000);
    assert.deepEqual(
      second.sent.map(({ at }) => at),
      [9_200, 29_200],
    );
  });

  it('does not wait for a date that a wrong clock set', async () => {
    const first = await start();
    const [owed] = await first.store.add([
      first.push('a/1', { expiresAt: first.clock.now() + 3_600_000 }),
    ]);
    const inAYear = first.clock.now() + 365 * 86_400_000;
    await first.store.postpone(owed!.id, { attempts: 3, unanswered: 0, nextAttemptAt: inAYear });
    const second = successor(first);
    await second.delivery.start();
    await second.clock.advance(900_000);
    assert.equal(second.sent.length, 1);
  });

  it('counts what expired meanwhile', async () => {
    const first = new DeliveryRig();
    await first.store.add([first.push('a/1', { expiresAt: first.clock.now() + 1_000 })]);
    await first.clock.advance(2_000);
    const second = successor(first);
    await second.delivery.start();
    await second.clock.advance(0);
    assert.deepEqual(second.counted, ['dropped expired']);
    assert.deepEqual(second.sent, []);
  });

  it('puts what comes while it reads after what was there, and sends nothing twice', async () => {
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    class SlowStore extends MemoryOutboxStore {
      override async page(afterId: number, limit: number): Promise<OwedPush[]> {
        await gate;
        return super.page(afterId, limit);
      }
    }
    const rig = new DeliveryRig({ store: new SlowStore() });
    await rig.delivery.enqueue([rig.push('a/1'), rig.push('b/1')]);
    const started = rig.delivery.start();
    await rig.delivery.enqueue([rig.push('a/1'), rig.push('c/1')]);
    const validation = rig.delivery.attemptNow(rig.push('d/1', { kind: 'validation' }));
    await settleMicrotasks();
    assert.deepEqual(rig.sent, []);
    release();
    await started;
    await rig.clock.advance(10);
    assert.equal((await validation).verdict, 'accepted');
    assert.deepEqual(rig.log.toSorted(), [
      '0 a/1 {"uid":1}',
      '0 a/1 {"uid":3}',
      '0 b/1 {"uid":2}',
      '0 c/1 {"uid":4}',
      '0 d/1 {"uid":5}',
    ]);
    assert.ok(rig.log.indexOf('0 a/1 {"uid":1}') < rig.log.indexOf('0 a/1 {"uid":3}'));
  });

  it('does not wait for a store that cannot be read, and sends what is owed when it can', async () => {
    let broken = true;
    class BrokenStore extends MemoryOutboxStore {
      override page(afterId: number, limit: number): Promise<OwedPush[]> {
        if (afterId > 0 && broken) return Promise.reject(new UnavailableError('locked'));
        return super.page(afterId, limit);
      }
    }
    const rig = new DeliveryRig({ store: new BrokenStore() });
    await rig.delivery.enqueue([rig.push('a/1')]);
    await rig.delivery.start();
    await rig.delivery.enqueue([rig.push('b/1')]);
    await rig.clock.advance(6_000);
    assert.deepEqual(rig.sent, []);
    assert.equal(rig.delivery.snapshot().state, 'loading');
    broken = false;
    await rig.clock.advance(5_000);
    assert.deepEqual(rig.receivers.toSorted(), ['a/1', 'b/1']);
    await assert.rejects(rig.delivery.start(), /once/);
  });

  it('may be stopped while it waits for the store', async () => {
    class BrokenStore extends MemoryOutboxStore {
      override page(): Promise<OwedPush[]> {
        return Promise.reject(new UnavailableError('locked'));
      }
    }
    const rig = new DeliveryRig({ store: new BrokenStore() });
    await rig.delivery.start();
    await rig.delivery.stop(1_000);
    assert.equal(rig.clock.pendingTimers, 0);
  });
});

describe('stop', () => {
  it('lets what is under way end, begins nothing more, and notes what was settled', async () => {
    const rig = await start({
      answer: () => new Promise((resolve) => rig.clock.set(() => resolve(status(201)), 500)),
    });
    await rig.delivery.enqueue([rig.push('a/1'), rig.push('a/1')]);
    await rig.clock.advance(0);
    const stopped = rig.delivery.stop(1_000);
    assert.equal(rig.delivery.snapshot().state, 'stopping');
    await rig.clock.advance(500);
    await stopped;
    assert.equal(rig.sent.length, 1);
    assert.deepEqual(await rig.owed(), ['{"uid":2}']);
    assert.equal(rig.delivery.snapshot().state, 'stopped');
  });

  it('does not wait longer than it may, and what hangs is owed still', async () => {
    let answer: (result: AttemptResult) => void = () => undefined;
    const rig = await start({ answer: () => new Promise((resolve) => (answer = resolve)) });
    await rig.delivery.enqueue([rig.push('a/1')]);
    await rig.clock.advance(0);
    const stopped = rig.delivery.stop(1_000);
    await rig.clock.advance(1_000);
    await stopped;
    answer(status(201));
    await rig.clock.advance(1_000);
    assert.deepEqual(await rig.owed(), ['{"uid":1}']);
    assert.equal(rig.clock.pendingTimers, 0);
  });

  it('still takes pushes in, for the next process', async () => {
    const rig = await start();
    await rig.delivery.stop(0);
    await rig.delivery.enqueue([rig.push('a/1')]);
    const report = await rig.delivery.attemptNow(rig.push('b/1', { kind: 'validation' }));
    assert.deepEqual(report, { verdict: 'deferred', reason: 'stopped' });
    await rig.clock.advance(1_000);
    assert.deepEqual(rig.sent, []);
    const second = successor(rig);
    await second.delivery.start();
    await second.clock.advance(0);
    assert.deepEqual(second.receivers.toSorted(), ['a/1', 'b/1']);
  });
});

describe('attemptNow', () => {
  const validation = { kind: 'validation', payload: '{"validation":"x"}' } as const;

  for (const [answer, verdict, reason, code] of [
    [status(201), 'accepted', 'accepted', 201],
    [status(404), 'refused', 'not-found', 404],
    [status(410), 'refused', 'gone', 410],
    [status(400), 'refused', 'bad-request', 400],
    [status(301), 'refused', 'redirect', 301],
    [status(413), 'refused', 'too-large', 413],
    [{ kind: 'failed', reason: 'guard' }, 'refused', 'guard', undefined],
    [status(401), 'deferred', 'unauthorized', 401],
    [status(403), 'deferred', 'forbidden', 403],
    [status(429), 'deferred', 'throttled', 429],
    [status(500), 'deferred', 'server-error', 500],
    [{ kind: 'failed', reason: 'dns' }, 'deferred', 'dns', undefined],
    [{ kind: 'failed', reason: 'timeout' }, 'deferred', 'timeout', undefined],
    [{ kind: 'failed', reason: 'proxy-auth' }, 'deferred', 'proxy-auth', undefined],
  ] as const) {
    it(`${JSON.stringify(answer)}: ${verdict}`, async () => {
      const rig = await start({ answer: () => answer });
      const report = await rig.delivery.attemptNow(rig.push('a/1', validation));
      const { pausedUntil, ...rest } = report;
      assert.deepEqual(rest, { verdict, reason, ...(code !== undefined && { status: code }) });
      const pause = reason === 'throttled' ? rig.clock.now() + 5_000 : undefined;
      assert.equal(pausedUntil, pause, 'by a chance of one half');
      await settleMicrotasks();
      assert.equal((await rig.owed()).length, verdict === 'deferred' ? 1 : 0);
      // Whoever waits for the answer takes the subscription back himself.
      assert.equal(rig.book.has('a', '1'), true);
    });
  }

  it('is over after timeout_msecs, and the push goes on', async () => {
    let answer: (result: AttemptResult) => void = () => undefined;
    const rig = await start({ answer: () => new Promise((resolve) => (answer = resolve)) });
    const report = rig.delivery.attemptNow(rig.push('a/1', validation));
    await rig.clock.advance(2_000);
    assert.deepEqual(await report, { verdict: 'deferred', reason: 'late' });
    answer(status(410));
    await settleMicrotasks();
    assert.equal(rig.book.has('a', '1'), false, 'nobody waits any more');
  });

  it('does not wait for a push resource that has a pause', async () => {
    const rig = await start({ answer: () => status(429, '60') });
    await rig.delivery.enqueue([rig.push('a/1')]);
    await rig.clock.advance(0);
    const report = await rig.delivery.attemptNow(rig.push('a/1', validation));
    const pausedUntil = rig.clock.now() + 60_000;
    assert.deepEqual(report, { verdict: 'deferred', reason: 'paused', pausedUntil });
    rig.answer = () => status(201);
    await rig.clock.advance(60_000);
    assert.equal(rig.receivers.includes('a/1'), true);
  });

  it('goes ahead of the backlog of its push service', async () => {
    const rig = await start({
      originLimit: 1,
      answer: () => new Promise((resolve) => rig.clock.set(() => resolve(status(201)), 100)),
    });
    await rig.delivery.enqueue(Array.from({ length: 100 }, (_, n) => rig.push(`user${n}/1`)));
    await rig.clock.advance(0);
    const report = rig.delivery.attemptNow(rig.push('a/1', validation));
    await rig.clock.advance(300);
    assert.equal((await report).verdict, 'accepted');
    assert.equal(rig.receivers[1], 'a/1');
  });

  it('owes the same push once', async () => {
    const rig = await start({ answer: () => status(500) });
    const push = rig.push('a/1', validation);
    await rig.delivery.attemptNow(push);
    const again = await rig.delivery.attemptNow(push);
    assert.deepEqual(again, { verdict: 'deferred', reason: 'duplicate' });
  });

  it('reports a smaller form that got through as accepted', async () => {
    const rig = await start({ answer: () => status(rig.sent.length === 1 ? 413 : 201) });
    const payload = '{"subject":"a long enough one","uid":1}';
    const report = await rig.delivery.attemptNow(rig.push('a/1', { kind: 'test', payload }));
    assert.deepEqual(report, { verdict: 'accepted', reason: 'accepted', status: 201 });
  });
});

describe('trouble on our side', () => {
  class TroubledStore extends MemoryOutboxStore {
    broken = false;
    /** Adds take place, and their caller is told that they may not have, once this is over. */
    silence: Promise<undefined> | undefined;
    settles = 0;
    #check<T>(work: () => Promise<T>): Promise<T> {
      return this.broken ? Promise.reject(new UnavailableError('database is locked')) : work();
    }
    override add(pushes: readonly NewPush[]): Promise<OwedPush[]> {
      return this.#check(async () => {
        const { silence } = this;
        const added = await super.add(pushes);
        await silence;
        if (silence) throw new UnavailableError('the writer stopped; the change may be lost');
        return added;
      });
    }
    override settle(ids: readonly number[]): Promise<void> {
      this.settles += 1;
      return this.#check(() => super.settle(ids));
    }
    override page(afterId: number, limit: number): Promise<OwedPush[]> {
      return this.#check(() => super.page(afterId, limit));
    }
    override postpone(id: number, attempt: Postponement) {
      return this.#check(() => super.postpone(id, attempt));
    }
  }

  it('refuses pushes that the store does not take', async () => {
    const store = new TroubledStore();
    const rig = await start({ store });
    store.broken = true;
    await assert.rejects(rig.delivery.enqueue([rig.push('a/1')]), UnavailableError);
    await assert.rejects(rig.delivery.attemptNow(rig.push('a/1')), UnavailableError);
    assert.equal(rig.delivery.levels().owed, 0);
  });

  it('sends what the store has taken without saying so, once', async () => {
    const store = new TroubledStore();
    const rig = await start({ store });
    const [push, other] = [rig.push('a/1'), rig.push('b/1')];
    store.silence = Promise.resolve(undefined);
    await assert.rejects(rig.delivery.enqueue([push]), UnavailableError);
    await assert.rejects(rig.delivery.attemptNow(other), UnavailableError);
    await rig.clock.advance(1_000);
    assert.deepEqual(rig.receivers, []);
    store.silence = undefined;
    // Its event is repeated, and the store has it already.
    await rig.delivery.enqueue([push]);
    await rig.clock.advance(1_000);
    await rig.delivery.enqueue([push]);
    await rig.clock.advance(1_000);
    assert.deepEqual(rig.receivers.toSorted(), ['a/1', 'b/1']);
    assert.deepEqual(await rig.owed(), []);
  });

  it('looks again for what the store took when it could not be looked for', async () => {
    const store = new TroubledStore();
    const rig = await start({ store });
    store.silence = Promise.resolve(undefined);
    await assert.rejects(rig.delivery.enqueue([rig.push('a/1')]), UnavailableError);
    store.silence = undefined;
    const page = store.page.bind(store);
    store.page = () => Promise.reject(new UnavailableError('database is locked'));
    await rig.delivery.enqueue([rig.push('b/1')]);
    await rig.clock.advance(1_000);
    assert.deepEqual(rig.receivers, ['b/1']);
    store.page = page;
    await rig.delivery.enqueue([rig.push('c/1')]);
    await rig.clock.advance(1_000);
    assert.deepEqual(rig.receivers.toSorted(), ['a/1', 'b/1', 'c/1']);
  });

  it('sends nothing twice that it has sent and the store still has, when it looks there', async () => {
    const store = new TroubledStore();
    const rig = await start({ store });
    const { promise, resolve } = Promise.withResolvers<undefined>();
    store.silence = promise;
    const failing = rig.delivery.enqueue([rig.push('a/1')]);
    store.silence = undefined;
    store.settle = () => Promise.reject(new UnavailableError('database is locked'));
    await rig.delivery.enqueue([rig.push('b/1')]);
    await rig.clock.advance(100);
    assert.deepEqual(rig.receivers, ['b/1']);
    resolve(undefined);
    await assert.rejects(failing, UnavailableError);
    await rig.delivery.enqueue([rig.push('c/1')]);
    await rig.clock.advance(1_000);
    assert.deepEqual(rig.receivers.toSorted(), ['a/1', 'b/1', 'c/1']);
  });

  it('settles later what the store does not let go of now, and sends nothing twice', async () => {
    const store = new TroubledStore();
    const rig = await start({ store, answer: () => status(store.broken ? 201 : 500) });
    await rig.delivery.enqueue([rig.push('a/1'), rig.push('b/1')]);
    await rig.clock.advance(100);
    store.broken = true;
    await rig.clock.advance(1_000);
    assert.equal(rig.sent.length, 4);
    assert.equal(rig.delivery.levels().unsettled, 2);
    await rig.clock.advance(60_000);
    assert.ok(store.settles < 15, `${store.settles} tries`);
    store.broken = false;
    await rig.clock.advance(31_000);
    assert.equal(rig.sent.length, 4);
    assert.equal(rig.delivery.levels().unsettled, 0);
    assert.deepEqual(await rig.owed(), []);
  });

  it('settles many pushes at a time', async () => {
    const store = new TroubledStore();
    const rig = await start({ store, originLimit: 100 });
    await rig.delivery.enqueue(Array.from({ length: 200 }, (_, n) => rig.push(`user${n}/1`)));
    while (rig.delivery.levels().owed > 0) await settleMicrotasks();
    await settleMicrotasks();
    assert.deepEqual(await rig.owed(), []);
    assert.ok(store.settles < 150, `${store.settles} commits`);
  });

  it('goes on when the payloads can be read again', async () => {
    const store = new TroubledStore();
    const first = new DeliveryRig({ store });
    await first.delivery.enqueue([first.push('a/1')]);
    const nextAttemptAt = first.clock.now() + 1_000;
    await store.postpone(1, { attempts: 1, unanswered: 0, nextAttemptAt });
    const rig = successor(first);
    await rig.delivery.start();
    store.broken = true;
    await rig.clock.advance(10_000);
    assert.deepEqual(rig.sent, []);
    store.broken = false;
    await rig.clock.advance(30_000);
    assert.equal(rig.sent.length, 1);
    assert.deepEqual(await rig.owed(), []);
  });

  it('lets one unreadable VAPID key hold up its own user only', async () => {
    const key = makeVapidKey();
    const rig = await start({
      vapid: (user) =>
        user === 'a' ? Promise.reject(new UnavailableError('sealed')) : Promise.resolve(key),
    });
    await rig.delivery.enqueue([rig.push('a/1'), rig.push('b/1')]);
    await rig.clock.advance(60_000);
    assert.deepEqual(rig.receivers, ['b/1']);
    assert.deepEqual(await rig.owed(), ['{"uid":1}']);
    const stumbles = rig.counted.filter((what) => what === 'message internal').length;
    assert.ok(stumbles > 3 && stumbles < 10, `${stumbles} stumbles`);
  });

  it('survives a subscription book that cannot remove', async () => {
    const rig = await start({ answer: () => status(410) });
    rig.book.remove = () => Promise.reject(new UnavailableError('locked'));
    await rig.delivery.enqueue([rig.push('a/1')]);
    await rig.clock.advance(0);
    assert.deepEqual(await rig.owed(), []);
  });
});

describe('memory', () => {
  it('reads payloads from the store when there are more than fit, each once or so', async () => {
    let pages = 0;
    class CountingStore extends MemoryOutboxStore {
      override page(afterId: number, limit: number): Promise<OwedPush[]> {
        pages += 1;
        return super.page(afterId, limit);
      }
    }
    const rig = await start({ store: new CountingStore(), payloadOctets: 60_000 });
    const pushes = Array.from({ length: 1_000 }, (_, n) =>
      rig.push(`user${n % 40}/1`, { payload: JSON.stringify({ uid: n, pad: 'x'.repeat(100) }) }),
    );
    await rig.delivery.enqueue(pushes);
    while (rig.delivery.levels().owed > 0) await settleMicrotasks();
    await settleMicrotasks();
    assert.deepEqual(await rig.owed(), []);
    assert.deepEqual(
      rig.sent.map(({ payload }) => payload).toSorted(),
      pushes.map(({ payload }) => payload).toSorted(),
    );
    assert.ok(pages < 60, `${pages} pages`);
  });
});

describe('what an administrator sees and does', () => {
  it('lists what is owed without endpoint, payload or keys', async () => {
    const rig = await start({ answer: () => status(500) });
    await rig.delivery.enqueue([rig.push('a/1'), rig.push('b/2')]);
    await rig.clock.advance(100);
    const list = await rig.delivery.list(0, 10);
    assert.deepEqual(list[1], {
      ...{ id: 2, user: 'b', subscriptionId: '2', kind: 'message', origin: SERVICE },
      ...{ urgency: 'normal', attempts: 1, payloadOctets: 9 },
      createdAt: rig.clock.now() - 100,
      expiresAt: rig.clock.now() - 100 + 86_400_000,
      nextAttemptAt: rig.clock.now() + 100,
    });
    assert.equal((await rig.delivery.list(1, 10)).length, 1);
    assert.equal((await rig.delivery.list(0, 1)).length, 1);
  });

  it('says of each when it goes out: after those of its subscription before it, or now', async () => {
    let answer: (result: AttemptResult) => void = () => undefined;
    const rig = await start({
      answer: ({ to }) =>
        to === 'a/1' ? status(500) : new Promise((resolve) => (answer = resolve)),
    });
    await rig.clock.advance(60_000);
    await rig.delivery.enqueue([rig.push('a/1'), rig.push('a/1'), rig.push('b/2')]);
    await rig.clock.advance(100);
    const times = (await rig.delivery.list(0, 10)).map(({ nextAttemptAt }) => nextAttemptAt);
    const next = rig.clock.now() + 100;
    assert.deepEqual(times, [next, next, 0]);
    answer(status(201));
  });

  it('drops a push that waits, and the next one need not wait for its time', async () => {
    const rig = await start({ answer: () => status(rig.sent.length <= 2 ? 500 : 201) });
    await rig.delivery.enqueue([rig.push('a/1'), rig.push('a/1')]);
    await rig.clock.advance(1_000);
    assert.equal(await rig.delivery.drop(1), true);
    await rig.clock.advance(0);
    assert.deepEqual(rig.log.slice(2), ['1000 a/1 {"uid":2}']);
    assert.equal(await rig.delivery.drop(1), false);
    assert.deepEqual(rig.counted.slice(2), ['dropped admin', 'message accepted']);
    await rig.clock.advance(60_000);
    assert.equal(rig.sent.length, 3);
  });

  it('drops a push that is under way: it is not sent again', async () => {
    let answer: (result: AttemptResult) => void = () => undefined;
    const rig = await start({ answer: () => new Promise((resolve) => (answer = resolve)) });
    await rig.delivery.enqueue([rig.push('a/1'), rig.push('a/1')]);
    await rig.clock.advance(0);
    assert.equal(await rig.delivery.drop(1), true);
    answer(status(500));
    await rig.clock.advance(60_000);
    assert.deepEqual(
      rig.log.map((line) => line.split(' ')[2]),
      ['{"uid":1}', '{"uid":2}'],
    );
  });

  it('shows depth, age and push services, those with the most owed first', async () => {
    const rig = await start({ answer: () => forever });
    const other = 'https://other.example.net';
    await rig.delivery.enqueue([
      rig.push('a/1'),
      rig.push('a/2', {}, other),
      rig.push('b/2', {}, other),
    ]);
    await rig.clock.advance(5_000);
    assert.deepEqual(rig.delivery.snapshot(), {
      state: 'running',
      owed: 3,
      oldestAgeMsecs: 5_000,
      originCount: 2,
      origins: [
        { origin: other, state: 'open', owed: 2, paused: 0, failedInARow: 0, failedUsers: 0 },
        { origin: SERVICE, state: 'open', owed: 1, paused: 0, failedInARow: 0, failedUsers: 0 },
      ],
    });
  });

  it('shows how many attempts a push service refused since it last took one, and of how many users', async () => {
    const answers = new Map([
      ['c/1', 410],
      ['d/1', 201],
    ]);
    const rig = await start({
      answer: ({ to }) => status(answers.get(to) ?? 403),
    });
    await rig.delivery.enqueue([rig.push('a/1'), rig.push('b/1')]);
    await rig.clock.advance(1);
    const [refusing] = rig.delivery.snapshot().origins;
    assert.deepEqual(
      [refusing?.state, refusing?.failedInARow, refusing?.failedUsers, refusing?.lastFailure],
      ['open', 2, 2, 'forbidden'],
    );
    await rig.delivery.enqueue([rig.push('c/1')]);
    await rig.clock.advance(1);
    assert.equal(rig.delivery.snapshot().origins[0]?.failedInARow, 2, 'an end is no failure');
    await rig.delivery.enqueue([rig.push('d/1')]);
    await rig.clock.advance(1);
    const [taking] = rig.delivery.snapshot().origins;
    assert.deepEqual([taking?.failedInARow, taking?.failedUsers], [0, 0]);
  });
});
