import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assembleStatus } from '../../../src/http/status/assemble-status.ts';
import {
  judgeHealth,
  PROBLEM_NAMES,
  RULES,
  type HealthFacts,
} from '../../../src/http/status/judge-health.ts';
import type { Totals } from '../../../src/http/status/totals.ts';
import type { OriginSnapshot } from '../../../src/webpush/delivery/delivery.ts';
import { idleFacts, sample } from './status-facts.ts';

const HALF_HOUR = 1_800_000;

const origin = (more: Partial<OriginSnapshot>): OriginSnapshot => ({
  ...{ origin: 'https://push.example.net', state: 'open', owed: 1, paused: 0 },
  ...{ failedInARow: 0, failedUsers: 0, ...more },
});

/** An hour in which nothing happened but, in its last minute, this; `before` since the start. */
function facts(
  now: Partial<Totals>,
  more: Partial<HealthFacts> & { before?: Partial<Totals>; owed?: number; age?: number } = {},
): HealthFacts & { origins?: OriginSnapshot[] } {
  const { before = {}, owed = 0, age = 0, ...others } = more;
  const total = { ...before };
  for (const [name, count] of Object.entries(now)) {
    total[name as keyof Totals] = (total[name as keyof Totals] ?? 0) + count;
  }
  return {
    samples: [sample(0, before), sample(59, before), sample(60, total)],
    delivery: { ...idleFacts().delivery, owed, oldestAgeMsecs: age },
    ...{ outboxLimit: 100_000, oldestEventMsecs: 0, ...others },
  };
}

const withOrigins = (given: HealthFacts, ...origins: OriginSnapshot[]): HealthFacts => ({
  ...given,
  delivery: { ...given.delivery, origins, originCount: origins.length },
});

/** `name: severity` of all that is wrong. */
const judged = (given: HealthFacts): string[] =>
  judgeHealth(given).map(({ name, severity }) => `${name}: ${severity}`);

const headlineOf = (given: HealthFacts): string =>
  assembleStatus(
    idleFacts({ samples: given.samples, delivery: given.delivery, problems: judgeHealth(given) }),
  ).headline.tone;

/** Each with what must be said of it, and beside it what is still fine. */
const CASES: Record<string, [is: HealthFacts, says: string[], isFine: HealthFacts]> = {
  'every attempt is answered 403, and nothing was ever accepted': [
    facts({ failed: 3, faults: 3, refused: 3 }),
    ['pushes_refused: critical', 'pushes_failing: critical'],
    facts({ failed: 2, faults: 2, refused: 2 }),
  ],
  'two users’ pushes are refused where there was a time when it worked': [
    withOrigins(
      facts({ failed: 4, faults: 4, refused: 4 }, { before: { accepted: 900 } }),
      origin({ failedInARow: 4, failedUsers: 2 }),
    ),
    ['pushes_refused: critical', 'pushes_failing: critical'],
    facts({ failed: 40, accepted: 10 }, { before: { accepted: 900 } }),
  ],
  'one user’s own endpoint is all that is tried, and fails: nobody is to be called': [
    withOrigins(
      facts({ failed: 9, faults: 9, refused: 9 }, { before: { accepted: 900 } }),
      origin({ failedInARow: 9, failedUsers: 1 }),
    ),
    ['pushes_refused: warning', 'pushes_failing: warning'],
    facts({ accepted: 900, failed: 9, faults: 9 }),
  ],
  'errors of the services’ own, again and again': [
    facts({ accepted: 30, failed: 10, faults: 10 }),
    ['pushes_failing: warning'],
    facts({ accepted: 300, failed: 10, faults: 10 }),
  ],
  'most attempts fail': [
    withOrigins(
      facts({ accepted: 10, failed: 20, faults: 20 }),
      origin({ failedInARow: 6, failedUsers: 5 }),
    ),
    ['pushes_failing: critical'],
    facts({ accepted: 10, failed: 20 }),
  ],
  '172 pushes are owed for half an hour, and none was ever accepted': [
    facts({}, { owed: 172, age: HALF_HOUR }),
    ['pushes_late: critical'],
    facts({}, { owed: 172, age: HALF_HOUR - 1 }),
  ],
  'they are owed while others are accepted': [
    facts({ accepted: 5 }, { owed: 172, age: HALF_HOUR }),
    ['pushes_late: warning'],
    facts({ accepted: 5 }, { owed: 172 }),
  ],
  'one is owed because its push resource asked for an hour': [
    withOrigins(
      facts({}, { owed: 1, age: HALF_HOUR }),
      origin({ paused: 1, failedInARow: 1, failedUsers: 1, lastFailure: 'throttled' }),
    ),
    ['pushes_late: warning'],
    facts({}, { owed: 1, age: 60_000 }),
  ],
  'chat is delivered and no event comes': [
    facts({ classified: 6, chat: 6 }),
    ['events_missing: critical'],
    facts({ classified: 6, chat: 6, events: 1 }),
  ],
  'classifications fail': [
    facts({ classified: 50, classifyFailed: 3 }),
    ['classify_failing: warning'],
    facts({ classified: 60, classifyFailed: 3 }),
  ],
  'annotations fail': [
    facts({ dict: 200, dictFailed: 3 }),
    ['annotations_failing: critical'],
    facts({ dict: 300, dictFailed: 3 }),
  ],
  'doveadm fails': [
    facts({ doveadm: 50, doveadmFailed: 3 }),
    ['commands_failing: critical'],
    facts({ doveadmFailed: 2 }),
  ],
  'the outbox fills': [
    facts({}, { owed: 60, outboxLimit: 100 }),
    ['outbox_filling: warning'],
    facts({}, { owed: 50, outboxLimit: 100 }),
  ],
  'pushes are dropped': [
    facts({ lost: 11 }),
    ['pushes_dropped: warning'],
    facts({ lost: 10, dropped: 500 }),
  ],
  'events wait': [
    facts({}, { oldestEventMsecs: 600_000 }),
    ['events_waiting: warning'],
    facts({}, { oldestEventMsecs: 599_000 }),
  ],
  'an event is given up': [
    facts({ eventsGivenUp: 1 }),
    ['events_given_up: warning'],
    facts({}, { before: { eventsGivenUp: 1 } }),
  ],
};

describe('the judgement of what happened', () => {
  for (const [what, [is, says, isFine]] of Object.entries(CASES)) {
    it(`is ${says.join(', ')} where ${what}`, () => {
      assert.deepEqual(judged(is), says);
      assert.equal(headlineOf(is), says[0]?.endsWith('critical') === true ? 'bad' : 'warn');
      assert.deepEqual(judged(isFine), []);
    });
  }

  it('has a case for each rule', () => {
    const met = Object.values(CASES).flatMap(([, says]) => says.map((one) => one.split(':')[0]));
    assert.deepEqual([...new Set(met)].sort(), [...PROBLEM_NAMES].sort());
  });

  it('calls nothing worse than its rule says, and is seen to call it that', () => {
    const met = new Set(Object.values(CASES).flatMap(([, says]) => says));
    for (const name of PROBLEM_NAMES) {
      assert.ok(met.has(`${name}: ${RULES[name].worst}`), name);
      if (RULES[name].worst === 'warning') assert.ok(!met.has(`${name}: critical`), name);
    }
  });

  it('does not blame a process that began a moment ago for what the one before left', () => {
    const young = facts({}, { owed: 172, age: HALF_HOUR });
    const [first] = young.samples;
    assert.ok(first);
    const samples = [first, { ...first, at: first.at + 240_000 }];
    assert.deepEqual(judged({ ...young, samples }), ['pushes_late: warning']);
  });

  it('is over when a push is accepted again', () => {
    const bad = facts({ failed: 3, faults: 3, refused: 3 });
    assert.equal(headlineOf(bad), 'bad');
    const mended = facts({ failed: 3, faults: 3, refused: 3, accepted: 80 });
    assert.deepEqual(judged(mended), ['pushes_refused: warning']);
  });
});
