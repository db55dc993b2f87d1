import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Agenda } from '../../../src/webpush/delivery/agenda.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const setUp = () => {
  const clock = new ManualClock();
  return { clock, agenda: new Agenda(() => clock.monotonic(), clock) };
};

describe('Agenda', () => {
  it('keeps appointments in their order, however they were made', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(5_000), { maxLength: 40 }), async (delays) => {
        const { clock, agenda } = setUp();
        const start = clock.monotonic();
        const kept: number[] = [];
        for (const delay of delays) agenda.at(start + delay, () => kept.push(delay));
        assert.ok(clock.pendingTimers <= 1);
        for (let step = 0; step < 5; step += 1) {
          await clock.advance(1_000);
          const due = delays.filter((delay) => delay <= (step + 1) * 1_000);
          assert.deepEqual(
            kept,
            due.toSorted((a, b) => a - b),
          );
        }
      }),
      { numRuns: 30 },
    );
  });

  it('keeps an appointment that is months away', async () => {
    const { clock, agenda } = setUp();
    let kept = 0;
    const months = 90 * 86_400_000;
    agenda.at(clock.monotonic() + months, () => (kept += 1));
    await clock.advance(months - 1);
    assert.equal(kept, 0);
    await clock.advance(1);
    assert.equal(kept, 1);
  });

  it('takes appointments from within one, forgets all when it is closed, and takes no more', async () => {
    const { clock, agenda } = setUp();
    const kept: string[] = [];
    agenda.at(clock.monotonic() + 10, () => {
      kept.push('first');
      agenda.at(clock.monotonic() + 10, () => kept.push('second'));
    });
    await clock.advance(20);
    agenda.at(clock.monotonic() + 10, () => kept.push('never'));
    agenda.close();
    agenda.at(clock.monotonic() + 10, () => kept.push('never')); // of an attempt that ends meanwhile
    await clock.advance(100);
    assert.deepEqual(kept, ['first', 'second']);
    assert.equal(clock.pendingTimers, 0);
  });
});
