import type { PushKind } from '../../stores/outbox-store.ts';
import type { OutcomeReason } from '../outcome/outcome.ts';
import type { OriginGate } from './origin-gate.ts';
import type { Turns } from './turns.ts';

/** What the schedule knows of an owed push; its payload stays in the store. Times are monotonic. */
export interface QueuedPush {
  readonly id: number;
  readonly kind: PushKind;
  lane: Lane;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly expiresAt: number;
  /** From when it was owed until it expires, in milliseconds. */
  readonly lifeMsecs: number;
  /** Failed attempts, those of earlier processes included. */
  attempts: number;
  /** How many of them the push service may have taken all the same. */
  unanswered: number;
  dueAt: number;
  /** Whether it went out as a suspect's. */
  suspect: boolean;
  /** Under way, and its answer is late. */
  overdue: boolean;
  /** Times in a row that an attempt failed before anything was sent. */
  stumbles: number;
  /** Taken out while it waited or was under way. */
  removed: boolean;
  next: QueuedPush | undefined;
}

/**
 * The pushes of one subscription, first come, first served: the next one goes when the one before is
 * settled. Validation and test pushes have lanes of their own, past what the subscription is still owed.
 * A push that was perhaps delivered has one for itself: nothing else waits for it.
 */
export interface Lane {
  readonly key: string;
  readonly user: string;
  readonly subscriptionId: string;
  readonly endpoint: string;
  readonly origin: Origin;
  readonly urgent: boolean;
  /** Pushes in a row that went out without an answer. */
  unanswered: number;
  head: QueuedPush | undefined;
  tail: QueuedPush | undefined;
  /**
   * - `ready`: in its origin's lines
   * - `resting`: until its head's time, after a failure
   * - `doubtful`: the same, and it was perhaps delivered: nothing tries it early
   * - `paused`: for as long as its push resource asked for
   * - `running`: its head is under way
   * - `gone`: empty and forgotten
   */
  state: 'ready' | 'resting' | 'doubtful' | 'paused' | 'running' | 'gone';
  /** The time that the agenda knows of. */
  wakeAt: number | undefined;
}

/** One push service. */
export interface Origin {
  /** `https://push.example.net`, or `invalid`. */
  readonly name: string;
  readonly gate: OriginGate;
  /** Lanes that could go, by user. */
  readonly lines: Turns<string, Lane>;
  /** The same, of those that go first … */
  readonly urgent: Turns<string, Lane>;
  /** … and of those that go last. */
  readonly suspects: Turns<string, Lane>;
  /** Lanes that rest: the one that has rested longest first. */
  readonly resting: Set<Lane>;
  /** Pushes under way, by user. */
  readonly underWay: Map<string, number>;
  suspectsUnderWay: number;
  /** Pushes under way whose answer is late: they take nobody's place. */
  overdue: number;
  /** Lanes in any state. */
  lanes: number;
  /** Lanes that are paused. */
  paused: number;
  running: number;
  /** Pushes owed. */
  owed: number;
  /** Attempts since it last took a push, whose they were as far as need be, and how the last of them ended. */
  failedInARow: number;
  readonly failedUsers: Set<string>;
  lastFailure: OutcomeReason | undefined;
  /** The time that the agenda knows of. */
  wakeAt: number | undefined;
}
