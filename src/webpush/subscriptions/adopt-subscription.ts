import { NO_DELIVERIES } from './delivery-history.ts';
import type { SubscriptionRequest } from './parse-subscription.ts';
import type { KeptSubscription } from './subscription-record.ts';
import { isSameSubscription } from './subscription.ts';
import { createValidationToken, hashToken } from '../validation/validation-token.ts';

/** What becomes of a subscription that comes from elsewhere; `kept`: another one is there and stays. */
export type Adoption = 'added' | 'changed' | 'unchanged' | 'kept';

/** @param overwrite whether it takes the place of another one that is in use under the same ID */
export function judgeAdoption(
  active: KeptSubscription | undefined,
  request: SubscriptionRequest,
  overwrite: boolean,
): Adoption {
  if (active === undefined) return 'added';
  if (isSameSubscription(active.subscription, request)) return 'unchanged';
  return overwrite ? 'changed' : 'kept';
}

/**
 * The same as if it had been validated here. Its validation text is unknown, so none is taken.
 *
 * @param created RFC 3339
 * @param now milliseconds since the epoch
 */
export const adoptedSubscription = (
  request: SubscriptionRequest,
  created: string,
  now: number,
): KeptSubscription => ({
  subscription: { created, validated: true, ...request },
  tokenHash: hashToken(createValidationToken()),
  expiresAt: now,
  history: NO_DELIVERIES,
});
