import type { DeliverySnapshot } from '../../webpush/delivery/delivery.ts';
import type { Sample } from './history.ts';
import { growth } from './series.ts';
import type { Totals } from './totals.ts';
import { count, counted, duration } from './words.ts';

/** What the judgement rests on: what happened, and what is owed. */
export interface HealthFacts {
  /** Oldest first; the last one is of now. */
  samples: readonly Sample[];
  delivery: DeliverySnapshot;
  /** `outbox.limit` */
  outboxLimit: number;
  /** For how long the oldest event waits to be handled, in milliseconds; zero when none does. */
  oldestEventMsecs: number;
}

/**
 * - `critical`: users notice that it is broken now
 * - `warning`: they will, or somebody has to look
 */
export const SEVERITIES = ['warning', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** The places of the status page that a problem may be about. */
export type HealthPlace =
  'events' | 'classify' | 'metadata' | 'commands' | 'pushes' | 'outbox' | 'event log';

export interface Problem {
  name: ProblemName;
  place: HealthPlace;
  severity: Severity;
  /** How much of what, and what to do. */
  says: string;
}

type Finding = [severity: Severity, says: string] | undefined;
interface Rule {
  place: HealthPlace;
  worst: Severity;
  judge: (facts: HealthFacts) => Finding;
}

/** One or two of anything happen; the third time there is a reason. */
const A_FEW = 3;
const OLD_EVENT_MSECS = 600_000;
const OLD_PUSH_MSECS = 1_800_000;
/** A process so young has not had its chances. */
const YOUNG_MINUTES = 5;

/**
 * What can be wrong though all parts work: judged from what happened. The only place where it is said what
 * counts as broken; headline, remark and alerts ask here. The names are label values of `coi_problem`.
 */
export const RULES = {
  events_missing: {
    place: 'events',
    worst: 'critical',
    judge: ({ samples }) => {
      const chat = growth(samples, 'chat', 30);
      if (chat <= 5 || growth(samples, 'events', 30) > 0) return undefined;
      return [
        'critical',
        `${counted(chat, 'chat message')} in 30 min and not one event, so no pushes: Dovecot’s log says why coi.lua does not run or reach us`,
      ];
    },
  },
  classify_failing: {
    place: 'classify',
    worst: 'warning',
    judge: (facts) =>
      share(facts, 'classifyFailed', 'classified', { of: 'classifications', most: 0.05 }, [
        'warning',
        'chat stays in INBOX; the log says why',
      ]),
  },
  annotations_failing: {
    place: 'metadata',
    worst: 'critical',
    judge: (facts) =>
      share(facts, 'dictFailed', 'dict', { of: 'dict commands', most: 0.01 }, [
        'critical',
        'look at the store: disk full, Redis away?',
      ]),
  },
  commands_failing: {
    place: 'commands',
    worst: 'critical',
    judge: (facts) =>
      share(facts, 'doveadmFailed', 'doveadm', { of: 'doveadm calls', most: 0.05 }, [
        'critical',
        'is the API up, and doveadm.api_key right?',
      ]),
  },
  pushes_refused: {
    place: 'pushes',
    worst: 'critical',
    judge: (facts) => {
      const refused = growth(facts.samples, 'refused', 15);
      if (refused < A_FEW) return undefined;
      const accepted = growth(facts.samples, 'accepted', 15);
      return [
        refused >= accepted && concernsMany(facts) ? 'critical' : 'warning',
        `${counted(refused, 'attempt')} refused with 401, 403 or 407 in 15 min, ${count(accepted)} accepted: is webpush.vapid_subject a real contact, the clock right, and the proxy’s password too?`,
      ];
    },
  },
  pushes_failing: {
    place: 'pushes',
    worst: 'critical',
    judge: (facts) => {
      const faults = growth(facts.samples, 'faults', 15);
      const accepted = growth(facts.samples, 'accepted', 15);
      const all = faults + accepted;
      if (faults < A_FEW || faults <= 0.05 * all) return undefined;
      const mostFail = accepted === 0 || (faults > accepted && all > 20);
      return [
        mostFail && concernsMany(facts) ? 'critical' : 'warning',
        `${count(faults)} of ${counted(all, 'attempt')} failed in 15 min: “Recent outcomes” says how; where nobody answers, can this host reach the internet?`,
      ];
    },
  },
  pushes_late: {
    place: 'outbox',
    worst: 'critical',
    judge: (facts) => {
      const { samples, delivery } = facts;
      if (delivery.owed === 0 || delivery.oldestAgeMsecs < OLD_PUSH_MSECS) return undefined;
      const isIdle =
        growth(samples, 'accepted', 30) === 0 && minutesKnown(samples) >= YOUNG_MINUTES;
      const isAsked = delivery.origins.some(
        ({ paused, failedInARow }) => paused > 0 && failedInARow < A_FEW,
      );
      return [
        isIdle && !isAsked && concernsMany(facts) ? 'critical' : 'warning',
        `${counted(delivery.owed, 'push', 'pushes')} owed, the oldest for ${duration(delivery.oldestAgeMsecs / 1_000)}`,
      ];
    },
  },
  outbox_filling: {
    place: 'outbox',
    worst: 'warning',
    judge: ({ delivery: { owed }, outboxLimit }) =>
      owed <= outboxLimit / 2
        ? undefined
        : [
            'warning',
            `${count(owed)} pushes owed; at outbox.limit (${count(outboxLimit)}) whoever is owed most loses the oldest`,
          ],
  },
  pushes_dropped: {
    place: 'outbox',
    worst: 'warning',
    judge: ({ samples }) => {
      const lost = growth(samples, 'lost', 15);
      return lost <= 10
        ? undefined
        : ['warning', `${count(lost)} owed pushes dropped in 15 min: expired, or too many`];
    },
  },
  events_waiting: {
    place: 'event log',
    worst: 'warning',
    judge: ({ oldestEventMsecs }) =>
      oldestEventMsecs < OLD_EVENT_MSECS
        ? undefined
        : [
            'warning',
            `an event waits for ${duration(oldestEventMsecs / 1_000)}: its pushes are late; the log says what cannot be handled`,
          ],
  },
  events_given_up: {
    place: 'event log',
    worst: 'warning',
    judge: ({ samples }) => {
      const givenUp = growth(samples, 'eventsGivenUp', 15);
      return givenUp === 0
        ? undefined
        : ['warning', `${counted(givenUp, 'transaction')} given up in 15 min; the log says which`];
    },
  },
} satisfies Record<string, Rule>;

export type ProblemName = keyof typeof RULES;
export const PROBLEM_NAMES = Object.keys(RULES) as readonly ProblemName[];

/** What is wrong, the worst first. Pure. */
export function judgeHealth(facts: HealthFacts): Problem[] {
  return PROBLEM_NAMES.flatMap((name): Problem[] => {
    const { place, judge }: Rule = RULES[name];
    const finding = judge(facts);
    return finding === undefined ? [] : [{ name, place, severity: finding[0], says: finding[1] }];
  }).sort((a, b) => SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity));
}

/** A few failures, and more than a part of all, in five minutes. */
function share(
  { samples }: HealthFacts,
  failures: keyof Totals,
  successes: keyof Totals,
  { of, most }: { of: string; most: number },
  [severity, advice]: [Severity, string],
): Finding {
  const failed = growth(samples, failures, 5);
  const all = failed + growth(samples, successes, 5);
  if (failed < A_FEW || failed <= most * all) return undefined;
  return [severity, `${count(failed)} of ${count(all)} ${of} failed in 5 min: ${advice}`];
}

/**
 * Whether it is more than one user's trouble: at night one dead endpoint may be all that is tried, and what its
 * user made of it is no reason to call anybody. Where nothing was ever accepted, nobody is known to be better off.
 */
const concernsMany = ({ samples, delivery }: HealthFacts): boolean =>
  samples.at(-1)?.totals.accepted === 0 ||
  delivery.origins.some(({ failedUsers }) => failedUsers > 1);

const minutesKnown = (samples: readonly Sample[]): number =>
  ((samples.at(-1)?.at ?? 0) - (samples[0]?.at ?? 0)) / 60_000;
