import type { PushKind } from '../../stores/outbox-store.ts';
import type { PushResource } from './subscription.ts';

/** What the delivery engine asks about subscriptions, and tells of them. */
export interface SubscriptionBook {
  /** The push resource that an owed push was made for; undefined when it is gone or was replaced. */
  resource(
    user: string,
    id: string,
    endpoint: string,
    kind: PushKind,
  ): Promise<PushResource | undefined>;

  /**
   * Removes the subscription, if it still goes to `endpoint`.
   *
   * @param reason for the log
   */
  remove(user: string, id: string, endpoint: string, reason: string): Promise<unknown>;

  /** Says that a validation push went out; {@link SubscriptionPlan.validationSent}. */
  validationSent(user: string, id: string, endpoint: string, taken: boolean): Promise<unknown>;

  /** Notes how one attempt ended; called for each, so it should not write to disk for each. */
  record(user: string, id: string, endpoint: string, result: PushResult): void;

  /** How the subscription's pushes fared before. */
  history(
    user: string,
    id: string,
    endpoint: string,
  ): Promise<{ successes: number; failuresInARow: number }>;
}

export interface PushResult {
  delivered: boolean;
  /** The reason of the outcome (src/webpush/outcome/outcome.ts). */
  outcome: string;
  /** The HTTP status; absent when there was no answer. */
  status?: number;
}
