import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UnavailableError } from '../../../src/errors.ts';
import { createLogger } from '../../../src/logging.ts';
import { Settler } from '../../../src/webpush/delivery/settler.ts';
import { MemoryOutboxStore } from '../../support/memory-outbox-store.ts';
import { ManualClock, settleMicrotasks } from '../../support/manual-clock.ts';

class RecordingStore extends MemoryOutboxStore {
  readonly calls: (readonly number[])[] = [];
  outcome: () => Promise<void> = () => Promise.resolve();
  override settle(ids: readonly number[]): Promise<void> {
    this.calls.push(ids);
    return this.outcome();
  }
}

const setUp = () => {
  const store = new RecordingStore();
  const clock = new ManualClock();
  return { store, clock, settler: new Settler(store, createLogger('silent'), clock) };
};
const broken = () => Promise.reject(new UnavailableError('locked'));

describe('Settler', () => {
  it('settles a push at once, and together what came while the store was busy', async () => {
    const { store, settler } = setUp();
    const releases: (() => void)[] = [];
    store.outcome = () => new Promise((resolve) => releases.push(resolve));
    for (const id of [1, 2, 3, 4, 5, 6]) settler.settle(id);
    assert.deepEqual(store.calls, [[1], [2], [3], [4]]);
    releases[2]?.();
    await settleMicrotasks();
    assert.deepEqual(store.calls.slice(4), [[5, 6]]);
    for (const release of releases) release();
    await settleMicrotasks();
    assert.equal(settler.backlog, 0);
  });

  it('misses nothing, in whatever moment it comes', async () => {
    for (let moment = 0; moment < 12; moment += 1) {
      const { store, settler } = setUp();
      settler.settle(1);
      for (let turn = 0; turn < moment; turn += 1) await Promise.resolve();
      settler.settle(2);
      await settleMicrotasks();
      assert.deepEqual(store.calls.flat(), [1, 2], `after ${moment} turns`);
    }
  });

  it('does not press a store in trouble, and loses nothing', async () => {
    const { store, clock, settler } = setUp();
    store.outcome = broken;
    for (let id = 1; id <= 50; id += 1) {
      settler.settle(id);
      await settleMicrotasks();
    }
    assert.equal(store.calls.length, 1);
    assert.equal(settler.backlog, 50);
    await clock.advance(500);
    assert.equal(store.calls.length, 2);
    await clock.advance(999);
    assert.equal(store.calls.length, 2);
    store.outcome = () => Promise.resolve();
    await clock.advance(1);
    assert.deepEqual(
      store.calls.at(-1)?.toSorted((a, b) => a - b),
      [...Array(51).keys()].slice(1),
    );
    assert.equal(settler.backlog, 0);
  });

  it('asks again once, however many calls failed together', async () => {
    const { store, clock, settler } = setUp();
    const failures: (() => void)[] = [];
    store.outcome = () =>
      new Promise((_resolve, reject) => failures.push(() => reject(new UnavailableError('full'))));
    for (const id of [1, 2, 3, 4, 5]) settler.settle(id);
    for (const fail of failures) fail();
    await settleMicrotasks();
    assert.equal(settler.backlog, 5);
    assert.equal(clock.pendingTimers, 1);
    store.outcome = () => Promise.resolve();
    await clock.advance(500);
    assert.equal(store.calls.length, 5);
    assert.deepEqual(store.calls[4]?.toSorted(), [1, 2, 3, 4, 5]);
    assert.equal(settler.backlog, 0);
  });

  it('waits for all that is under way when it closes', async () => {
    const { store, settler } = setUp();
    const releases: (() => void)[] = [];
    store.outcome = () => new Promise((resolve) => releases.push(resolve));
    for (const id of [1, 2, 3, 4, 5]) settler.settle(id);
    let closed = false;
    const closing = settler.close().then(() => (closed = true));
    for (let count = 0; count < 5; count += 1) {
      assert.equal(closed, false);
      releases[count]?.();
      await settleMicrotasks();
    }
    await closing;
    assert.deepEqual(store.calls.at(-1), [5]);
  });

  it('tries once more when it closes, and then leaves it to the next process', async () => {
    const { store, clock, settler } = setUp();
    store.outcome = broken;
    settler.settle(1);
    await settleMicrotasks();
    await settler.close();
    assert.equal(store.calls.length, 2);
    await clock.advance(100_000);
    assert.equal(store.calls.length, 2);
    assert.equal(clock.pendingTimers, 0);
  });
});
