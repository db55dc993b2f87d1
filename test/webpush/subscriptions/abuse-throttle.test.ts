import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  AbuseThrottle,
  MAX_HOLD_MSECS,
  type AbuseThrottleOptions,
} from '../../../src/webpush/subscriptions/abuse-throttle.ts';
import { ManualClock, MINUTE, START } from './subscription-fixtures.ts';

const OPTIONS = { refusals: 3, pauseMsecs: 10_000, lockoutMsecs: 60_000 };

function create(options: Partial<AbuseThrottleOptions> = {}) {
  const clock = new ManualClock();
  const throttle = new AbuseThrottle({ clock, ...OPTIONS, ...options });
  const refuse = (times: number, user = 'u') => {
    for (let count = 0; count < times; count++) throttle.refused(user);
  };
  /** Seconds until the pause is over; zero when there is none. */
  const pause = (user = 'u') =>
    ((throttle.snapshot().find((entry) => entry.user === user)?.until ?? clock.now()) -
      clock.now()) /
    1_000;
  return { clock, throttle, refuse, pause };
}

describe('"IMAP servers SHOULD introduce throttling of subscriptions"', () => {
  const table: [refusals: number, pause: number, state?: string][] = [
    [0, 0],
    [1, 0],
    [3, 0],
    [4, 10, 'paused'],
    [5, 20, 'paused'],
    [6, 40, 'paused'],
    [7, 60, 'locked'],
    [8, 60, 'locked'],
    [5_000, 60, 'locked'],
  ];
  for (const [refusals, seconds, state] of table) {
    it(`pauses for ${seconds} s after ${refusals} refusals (${state ?? 'free'})`, () => {
      const { clock, throttle, refuse, pause } = create();
      refuse(refusals);
      assert.equal(pause(), seconds);
      const admission = throttle.admit('u');
      assert.equal(admission.admitted, state === undefined);
      if (!admission.admitted) {
        assert.equal(admission.state, state);
        assert.equal(admission.until, clock.now() + seconds * 1_000);
        assert.equal(admission.holdMsecs, MAX_HOLD_MSECS);
      } else assert.equal(admission.holdMsecs, 0);
    });
  }

  it('holds an answer back for less than the five seconds after which Dovecot warns', () => {
    const { throttle, refuse } = create();
    refuse(10);
    assert(throttle.admit('u').holdMsecs < 5_000);
  });

  it('lets a request in after the rest of the pause when that is short', () => {
    const { clock, throttle, refuse } = create();
    refuse(4);
    clock.msecs += 5_999;
    assert.equal(throttle.admit('u').admitted, false);
    clock.msecs += 1;
    assert.deepEqual(throttle.admit('u'), { admitted: true, holdMsecs: 4_000 });
    clock.msecs += 4_000;
    assert.deepEqual(throttle.admit('u'), { admitted: true, holdMsecs: 0 });
  });

  it('does not count requests that it did not let in', () => {
    const { throttle, refuse, pause } = create();
    refuse(4);
    for (let count = 0; count < 100; count++) throttle.admit('u');
    assert.equal(pause(), 10);
  });

  it('goes on from where it was after a pause, until a user has been quiet for a while', () => {
    const { clock, refuse, pause } = create();
    refuse(4);
    clock.msecs += 10_000;
    refuse(1);
    assert.equal(pause(), 20);
    clock.msecs += 20_000 + OPTIONS.lockoutMsecs - 1;
    refuse(1);
    assert.equal(pause(), 40);
    clock.msecs += 40_000 + OPTIONS.lockoutMsecs;
    refuse(1);
    assert.equal(pause(), 0);
  });

  it('forgets after its own time if one is given', () => {
    const { clock, throttle, refuse } = create({ forgetMsecs: 5_000 });
    refuse(3);
    clock.msecs += 4_999;
    assert.equal(throttle.lift('u'), true);
    refuse(3);
    clock.msecs += 5_000;
    assert.equal(throttle.lift('u'), false);
  });

  it('takes one refusal off for one validated subscription, not all of them', () => {
    const { throttle, refuse, pause } = create();
    refuse(3);
    throttle.forgive('u');
    refuse(1);
    assert.equal(pause(), 0);
    refuse(1);
    assert.equal(pause(), 10);
    throttle.forgive('u');
    assert.equal(pause(), 10);
    throttle.forgive('nobody');
    assert.equal(throttle.lift('nobody'), false);
  });

  it('forgets a user whose every refusal was forgiven', () => {
    const { throttle, refuse } = create();
    refuse(2);
    throttle.forgive('u');
    throttle.forgive('u');
    assert.equal(throttle.lift('u'), false);
  });

  it('never pauses where the first pause is 0, however often a user is refused', () => {
    const { refuse, pause } = create({ pauseMsecs: 0 });
    for (let count = 1; count <= 2_000; count++) {
      refuse(1);
      assert.equal(pause(), 0, `after ${count} refusals`);
    }
  });

  it('is lifted by an admin', () => {
    const { throttle, refuse, pause } = create();
    refuse(10);
    assert.equal(throttle.lift('u'), true);
    assert.equal(throttle.lift('u'), false);
    assert.deepEqual(throttle.admit('u'), { admitted: true, holdMsecs: 0 });
    refuse(4);
    assert.equal(pause(), 10);
  });

  it('throttles nobody else', () => {
    const { throttle, refuse } = create();
    refuse(10, 'u');
    assert.equal(throttle.admit('v').admitted, true);
  });

  it('shows who is throttled right now', () => {
    const { clock, throttle, refuse } = create();
    refuse(3, 'free');
    refuse(4, 'paused');
    refuse(9, 'locked');
    assert.deepEqual(throttle.snapshot(), [
      { user: 'paused', refusals: 4, state: 'paused', until: START + 10_000 },
      { user: 'locked', refusals: 9, state: 'locked', until: START + 60_000 },
    ]);
    clock.msecs += MINUTE;
    assert.deepEqual(throttle.snapshot(), []);
  });

  it('remembers so many users, and forgets the one refused longest ago', () => {
    const { throttle, refuse } = create({ maxUsers: 3 });
    for (const user of ['a', 'b', 'c', 'a', 'd']) refuse(4, user);
    assert.deepEqual(
      throttle.snapshot().map(({ user }) => user),
      ['c', 'a', 'd'],
    );
    assert.equal(throttle.lift('b'), false);
  });

  it('measures by a clock that does not step back', () => {
    const clock = { wall: START, now: () => clock.wall, monotonic: () => 0 };
    const throttle = new AbuseThrottle({ clock, ...OPTIONS });
    for (let count = 0; count < 4; count++) throttle.refused('u');
    clock.wall += 86_400_000;
    assert.equal(throttle.admit('u').admitted, false);
  });

  it('never pauses longer than the lockout, nor a user within the grant (1,000 sequences)', () => {
    const step = fc.record({
      refused: fc.boolean(),
      user: fc.constantFrom('u', 'v', 'w'),
      wait: fc.nat(100_000),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { clock, throttle } = create({ maxUsers: 2 });
        const counts = new Map<string, number>();
        for (const { refused, user, wait } of steps) {
          clock.msecs += wait;
          if (refused) {
            throttle.refused(user);
            counts.set(user, (counts.get(user) ?? 0) + 1);
          } else throttle.forgive(user);
          assert(throttle.snapshot().length <= 2);
          for (const entry of throttle.snapshot()) {
            assert(entry.until - clock.now() <= OPTIONS.lockoutMsecs);
            assert((counts.get(entry.user) ?? 0) > OPTIONS.refusals);
          }
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
