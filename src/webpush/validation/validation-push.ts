import type { KeptSubscription } from '../subscriptions/subscription-record.ts';
import type { PushResource } from '../subscriptions/subscription.ts';
import { formatValidationPayload } from './validation-token.ts';

/** A validation push that is to be sent (webpush-spec, "Sending a Validation Push Message"). */
export interface ValidationPush {
  user: string;
  subscriptionId: string;
  resource: PushResource;
  /** `{"validation":"…"}`: the only place where the token itself is. */
  payload: string;
  /** Milliseconds since the epoch. */
  createdAt: number;
  /** Milliseconds since the epoch; the push is worthless from then on. */
  expiresAt: number;
  /** The same for the same token only. */
  dedupeKey: string;
}

export const createValidationPush = (
  user: string,
  id: string,
  kept: KeptSubscription,
  token: string,
  now: number,
): ValidationPush => ({
  user,
  subscriptionId: id,
  resource: kept.subscription.resource,
  payload: formatValidationPayload(token),
  createdAt: now,
  expiresAt: kept.expiresAt,
  dedupeKey: `validation/${id}/${kept.tokenHash}`,
});
