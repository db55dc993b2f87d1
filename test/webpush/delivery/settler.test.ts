import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UnavailableError } from '../../../src/errors.ts';
import { createLogger } from '../../../src/logging.ts';
import { MemoryOutboxStore } from '../../../src/stores/memory-outbox-store.ts';
import { Settler } from '../../../src/webpush/delivery/settler.ts';
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
  it('settles a push on its own at once, and together what came while the store was busy', async () => {
    const { store, settler } = setUp();
    let release: () => void = () => undefined;
    store.outcome = () => new Promise((resolve) => (release = resolve));
    for (const id of [1, 2, 3]) settler.settle(id);
    assert.deepEqual(store.calls, [[1]]);
    release();
    await settleMicrotasks();
    assert.deepEqual(store.calls, [[1], [2, 3]]);
    release();
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
