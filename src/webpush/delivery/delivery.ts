import type { Clock } from '../../clock.ts';
import type { Logger } from '../../logging.ts';
import type { NewPush, OutboxStore, PushKind, Urgency } from '../../stores/outbox-store.ts';
import type { PushClient } from '../client/push-client.ts';
import type { PushEncryptor } from '../encryption/push-encryptor.ts';
import type { GuardPolicy } from '../guard/guard-policy.ts';
import type { OutcomeReason } from '../outcome/outcome.ts';
import type { SubscriptionBook } from '../subscriptions/subscription-book.ts';
import type { VapidAuthorizer } from '../vapid/vapid-authorizer.ts';
import type { VapidKey } from '../vapid/vapid-key.ts';
import type { Timers } from './agenda.ts';
import type { OriginState } from './origin-gate.ts';

/** Sends what is owed, until it is sent, expired, or its subscription is gone. */
export interface Delivery {
  /**
   * Owes pushes: they are on disk when this resolves, and on their way. What is owed already, or was
   * settled a short while ago, is left out.
   *
   * @throws UnavailableError the store did not take them; nothing is owed
   */
  enqueue(pushes: readonly NewPush[]): Promise<void>;

  /**
   * Owes one push and waits for its first attempt, at most `timeoutMsecs`. A push that is refused for
   * good is no longer owed; of a validation push's subscription, the caller disposes then.
   *
   * @throws UnavailableError the store did not take it
   */
  attemptNow(push: NewPush): Promise<FirstAttemptReport>;

  /** Reads what earlier processes still owed, and begins. */
  start(): Promise<void>;

  /**
   * Begins no more attempts, lets those under way come to their end for at most `deadlineMsecs`, and
   * notes what was settled. Whatever is left is owed after the next start.
   */
  stop(deadlineMsecs: number): Promise<void>;

  snapshot(): DeliverySnapshot;

  /** For gauges: cheap, however much is owed. */
  levels(): DeliveryLevels;

  /** A page of owed pushes with ids above `afterId`, without what is secret about them. */
  list(afterId: number, limit: number): Promise<ListedPush[]>;

  /** Owes a push no longer; resolves to whether it was owed. */
  drop(id: number): Promise<boolean>;

  /**
   * Owes a user nothing any more, and waits for the attempts that are under way.
   *
   * @returns how many pushes were owed
   * @throws UnavailableError the store did not let go of them; they are owed still
   */
  forget(user: string): Promise<number>;
}

export interface FirstAttemptReport {
  /** `deferred`: it goes on in the background. */
  verdict: 'accepted' | 'refused' | 'deferred';
  reason: OutcomeReason | 'late' | 'paused' | 'duplicate' | 'gone' | 'expired' | 'stopped';
  status?: number;
  /** Milliseconds since the epoch: until then nothing goes to this push resource, which asked for it. */
  pausedUntil?: number;
}

export interface DeliveryParts {
  store: OutboxStore;
  subscriptions: SubscriptionBook;
  vapid: (user: string) => Promise<VapidKey>;
  authorizer: VapidAuthorizer;
  encryptor: PushEncryptor;
  client: PushClient;
  policy: GuardPolicy;
  clock: Clock;
  metrics: DeliveryMetrics;
  /** Told of each attempt that ended. */
  onAttempt?: ((attempt: PushAttempt) => void) | undefined;
  log: Logger;
  options: DeliveryOptions;
  /** Given by tests. */
  timers?: Timers;
  random?: () => number;
}

export interface DeliveryOptions {
  /** `webpush.max_retries` */
  maxRetries: number;
  /** `webpush.timeout_msecs` */
  timeoutMsecs: number;
  /** `webpush.padding` */
  padding: boolean;
  /** `outbox.limit` */
  maxPushes: number;
  /** Attempts at a time to one push service; 32 unless given. */
  originLimit?: number;
  /** Attempts at a time in all; 256 unless given. */
  totalLimit?: number;
  /** Memory for payloads, in octets; 32 MiB unless given. */
  payloadOctets?: number;
}

export const DROP_REASONS = ['expired', 'overflow', 'gone', 'refused', 'admin'] as const;
/** Why an owed push was never delivered. */
export type DropReason = (typeof DROP_REASONS)[number];

/** What the engine counts. No label of these has more than a few dozen values. */
export interface DeliveryMetrics {
  /** One attempt ended; `seconds` from building the request to the answer. */
  attempted(kind: PushKind, outcome: OutcomeReason, seconds: number): void;
  /** A push service took a push, `seconds` after the event that caused it. */
  accepted(kind: PushKind, seconds: number): void;
  dropped(reason: DropReason): void;
}

/** How one attempt ended, without whose push it was and where exactly it went. */
export interface PushAttempt {
  kind: PushKind;
  /** The push service: the endpoint's origin. */
  service: string;
  delivered: boolean;
  outcome: OutcomeReason;
  /** The HTTP status; absent when there was no answer. */
  status?: number;
  /** From building the request to the answer. */
  seconds: number;
}

export interface DeliveryLevels {
  owed: number;
  /** Zero when nothing is owed. */
  oldestAgeSeconds: number;
  /** Settled pushes that the store did not let go of yet; above zero for long, it is in trouble. */
  unsettled: number;
  /** Push services to which something is owed, by state. */
  origins: Record<OriginState, number>;
  /** Push resources that are left alone because they asked for it. */
  pausedResources: number;
}

export interface DeliverySnapshot {
  state: 'idle' | 'loading' | 'running' | 'stopping' | 'stopped';
  owed: number;
  oldestAgeMsecs: number;
  /** Those with the most owed first; at most {@link MAX_LISTED_ORIGINS}. */
  origins: OriginSnapshot[];
  /** How many there are, those that are not listed included. */
  originCount: number;
}

export const MAX_LISTED_ORIGINS = 100;

export interface OriginSnapshot {
  origin: string;
  state: OriginState;
  owed: number;
  /** Push resources of it that are left alone because they asked for it. */
  paused: number;
  /** Attempts since it last took a push; zero when the last one succeeded, or there was none. */
  failedInARow: number;
  /** How many users they were of; counted as far as it takes to slow a service down. */
  failedUsers: number;
  /** How the last of them ended. */
  lastFailure?: OutcomeReason;
}

export interface ListedPush {
  id: number;
  user: string;
  subscriptionId: string;
  kind: PushKind;
  /** The endpoint's origin. */
  origin: string;
  urgency: Urgency;
  createdAt: number;
  expiresAt: number;
  attempts: number;
  /** Milliseconds since the epoch; 0: now, or as soon as the push service has room for it. */
  nextAttemptAt: number;
  payloadOctets: number;
}
