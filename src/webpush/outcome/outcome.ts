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

export type RemovalReason = 'gone' | 'not-found' | 'bad-key' | RefusalReason;

export type RefusalReason = 'too-large' | 'redirect' | 'bad-request' | 'guard';

/** Faults that are expected to pass. */
export type PassingReason =
  | 'server-error'
  | 'timeout'
  | 'dns'
  | 'refused'
  | 'unreachable'
  | 'reset'
  | 'tls'
  | 'protocol'
  | 'proxy'
  | 'internal'
  | 'guard';

/** Faults on our side of the wire. */
export type FaultReason = 'unauthorized' | 'forbidden' | 'proxy-auth';

export type OutcomeReason = Outcome['reason'];
