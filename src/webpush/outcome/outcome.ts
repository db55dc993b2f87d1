/**
 * What to do after an attempt, and why. The reasons are metric labels and words in the log.
 *
 * - `delivered`: the push is settled
 * - `remove-subscription`: the push is settled and its subscription goes
 * - `give-up`: the push is settled; sending it again would fare no better
 * - `shrink`: the same push goes out again at once, smaller
 * - `pause`: nothing goes to this push resource until its pause is over
 * - `retry`: this push goes out again later
 * - `repeat`: the push service has it, perhaps; it goes out again all the same, but much later
 * - `alert-keep`: as `retry`, and an administrator has to look at it
 */
export type Outcome =
  | { action: 'delivered'; reason: 'accepted' }
  | { action: 'remove-subscription'; reason: RemovalReason }
  | { action: 'give-up'; reason: RefusalReason }
  | { action: 'shrink'; reason: 'too-large' }
  | { action: 'pause'; reason: 'throttled'; pauseMsecs?: number }
  | { action: 'retry'; reason: PassingReason }
  | { action: 'repeat'; reason: PassingReason }
  | { action: 'alert-keep'; reason: FaultReason };

const REFUSAL_REASONS = ['too-large', 'redirect', 'bad-request', 'guard'] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

const REMOVAL_REASONS = ['gone', 'not-found', 'bad-key', ...REFUSAL_REASONS] as const;
export type RemovalReason = (typeof REMOVAL_REASONS)[number];

const PASSING_REASONS = [
  ...(['server-error', 'timeout', 'dns', 'refused', 'unreachable', 'reset', 'tls'] as const),
  ...(['protocol', 'proxy', 'internal', 'guard'] as const),
] as const;
/** Faults that are expected to pass. */
export type PassingReason = (typeof PASSING_REASONS)[number];

export const FAULT_REASONS = ['unauthorized', 'forbidden', 'proxy-auth'] as const;
/** Faults on our side of the wire. */
export type FaultReason = (typeof FAULT_REASONS)[number];

export type OutcomeReason = Outcome['reason'];

/** All of them, each once. */
export const OUTCOME_REASONS: readonly OutcomeReason[] = [
  ...new Set([
    ...(['accepted', 'throttled'] as const),
    ...[...REMOVAL_REASONS, ...PASSING_REASONS, ...FAULT_REASONS],
  ]),
];

/**
 * Whether something is wrong when an attempt ends so. A subscription that has ended is no fault, and what was
 * too large goes on in a smaller form.
 */
export const isFault = (reason: OutcomeReason): boolean =>
  !['accepted', 'gone', 'not-found', 'too-large'].includes(reason);
