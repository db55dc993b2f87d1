import type { NewPush } from '../../stores/outbox-store.ts';
import type { Delivery } from '../delivery/delivery.ts';
import type { FirstAttempt } from '../subscriptions/subscriptions.ts';
import type { ValidationPush } from './validation-push.ts';

/**
 * Owes a validation push and waits for its first attempt, no longer than `webpush.timeout_msecs`: a
 * client that subscribes with a dead endpoint is told at once, and a slow push service keeps nobody
 * waiting.
 */
export const createSendValidation =
  (delivery: Delivery) =>
  async (push: ValidationPush): Promise<FirstAttempt> => {
    const { verdict } = await delivery.attemptNow(toNewPush(push));
    return verdict;
  };

const toNewPush = (push: ValidationPush): NewPush => ({
  user: push.user,
  subscriptionId: push.subscriptionId,
  endpoint: push.resource.endpoint,
  kind: 'validation',
  payload: push.payload,
  urgency: 'high',
  createdAt: push.createdAt,
  expiresAt: push.expiresAt,
  dedupeKey: push.dedupeKey,
});
