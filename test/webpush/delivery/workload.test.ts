import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Workload } from '../../../src/webpush/delivery/workload.ts';
import { ManualClock, settleMicrotasks } from '../../support/manual-clock.ts';

function setUp(limit: number, count: number, msecs = 0) {
  const timers = new ManualClock();
  const begun: number[] = [];
  let next = 0;
  const take = () => {
    if (next === count) return undefined;
    const number = (next += 1);
    return () => {
      begun.push(number);
      return msecs === 0
        ? Promise.resolve()
        : new Promise<void>((resolve) => timers.set(resolve, msecs));
    };
  };
  return { timers, begun, workload: new Workload({ limit, timers, take }) };
}

describe('Workload', () => {
  it('keeps as much under way as it may', async () => {
    const { timers, begun, workload } = setUp(3, 7, 100);
    workload.fill();
    assert.deepEqual(begun, [1, 2, 3]);
    await timers.advance(100);
    assert.deepEqual(begun, [1, 2, 3, 4, 5, 6]);
    await timers.advance(300);
    assert.equal(begun.length, 7);
    await workload.quiet(0);
  });

  it('lets others have their turn when there is much to begin', async () => {
    const { begun, workload } = setUp(100, 100, 1_000);
    workload.fill();
    assert.deepEqual(begun.length, 8);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(begun.length, 16);
    for (let turn = 2; turn < 13; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(begun.length, 100);
  });

  it('begins in the next turn when asked to, once however often it is asked', async () => {
    const { begun, workload } = setUp(100, 10, 1_000);
    for (let count = 0; count < 5; count += 1) workload.fillSoon();
    await Promise.resolve();
    assert.equal(begun.length, 0);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(begun.length, 8);
  });

  it('tells when all is quiet, or that time is over', async () => {
    const { timers, workload } = setUp(1, 1, 500);
    await workload.quiet(1_000);
    workload.fill();
    let quiet = false;
    void workload.quiet(1_000).then(() => (quiet = true));
    await timers.advance(499);
    assert.equal(quiet, false);
    await timers.advance(1);
    await settleMicrotasks();
    assert.equal(quiet, true);

    const slow = setUp(1, 1, 5_000);
    slow.workload.fill();
    const over = slow.workload.quiet(1_000);
    await slow.timers.advance(1_000);
    await over;
  });

  it('lets nothing wait for what is overdue, up to as much again', async () => {
    const timers = new ManualClock();
    const overdue: (() => void)[] = [];
    let begun = 0;
    const work = (late: () => void): Promise<void> => {
      begun += 1;
      overdue.push(late);
      return new Promise((resolve) => timers.set(resolve, 100));
    };
    const workload = new Workload({
      limit: 3,
      timers,
      take: () => (begun < 20 ? work : undefined),
    });
    workload.fill();
    assert.equal(begun, 3);
    overdue[0]?.();
    overdue[0]?.();
    assert.equal(begun, 4);
    for (const late of overdue.slice(0, 4)) late();
    assert.equal(begun, 6);
    await timers.advance(100);
    assert.equal(begun, 9);
    const quiet = workload.quiet(10_000);
    await timers.advance(1_000);
    await quiet;
    assert.equal(begun, 20);
  });
});
