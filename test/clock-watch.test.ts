import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createClockWatch } from '../src/clock-watch.ts';
import { ManualClock } from './support/manual-clock.ts';
import { recordLog } from './support/record-log.ts';

const HOUR = 3_600_000;

describe('the clock watch', () => {
  it('says nothing of time that goes by, nor of what NTP corrects all the time', async () => {
    const clock = new ManualClock();
    const { log, lines } = recordLog();
    const watch = createClockWatch(clock, log);
    await clock.advance(50 * HOUR);
    clock.step(4_000);
    assert.equal(watch.remark(), undefined);
    assert.deepEqual(lines, []);
  });

  for (const [step, words] of [
    [48 * HOUR, 'forward by 2 days'],
    [-3 * HOUR, 'back by 3 hours'],
    [-90_000, 'back by 90 seconds'],
  ] as const) {
    it(`says once in the log, and for an hour to /readyz: ${words}`, async () => {
      const clock = new ManualClock();
      const { log, lines } = recordLog();
      const watch = createClockWatch(clock, log);
      clock.step(step);
      assert.equal(watch.remark(), `the clock was set ${words}, 0 seconds ago`);
      await clock.advance(HOUR / 2);
      assert.equal(watch.remark(), `the clock was set ${words}, 30 minutes ago`);
      assert.deepEqual(
        lines.map(({ level, stepMsecs }) => [level, stepMsecs]),
        [['warn', step]],
      );
      await clock.advance(HOUR);
      assert.equal(watch.remark(), undefined);
    });
  }

  it('tells what today’s clock would have said when something was noted', async () => {
    const clock = new ManualClock();
    const watch = createClockWatch(clock, recordLog().log);
    const age = (noted: number): number => clock.now() - watch.byToday(noted);
    const first = clock.now();
    await clock.advance(HOUR);
    clock.step(48 * HOUR);
    assert.equal(age(first), HOUR);
    const second = clock.now();
    await clock.advance(HOUR);
    clock.step(HOUR);
    assert.deepEqual([age(first), age(second)], [2 * HOUR, HOUR]);
    const third = clock.now();
    await clock.advance(HOUR);
    clock.step(-HOUR / 2);
    assert.equal(age(third), HOUR / 2, 'younger than it is, but never older');
    const fourth = clock.now();
    await clock.advance(HOUR);
    assert.equal(age(fourth), HOUR);
  });
});
