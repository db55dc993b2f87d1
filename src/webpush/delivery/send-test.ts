import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { Delivery, FirstAttemptReport } from './delivery.ts';

/** A test that comes later than this only puzzles whoever asked for it. */
const TTL_MSECS = 60_000;

/**
 * Sends a test push to one endpoint and waits for its first attempt, at most `webpush.timeout_msecs`.
 *
 * The payload is `{"test":true,"subscription":"<id>","date":"<RFC 3339>"}`: a client tells it by
 * `test`, and one that does not know it finds neither a message nor a validation in it. What the push
 * service answers has the same consequences as for any other push.
 */
export const createSendTest =
  (delivery: Delivery, clock: Clock) =>
  (user: string, id: string, endpoint: string): Promise<FirstAttemptReport> => {
    const now = clock.now();
    return delivery.attemptNow({
      user,
      subscriptionId: id,
      endpoint,
      kind: 'test',
      payload: JSON.stringify({ test: true, subscription: id, date: new Date(now).toISOString() }),
      urgency: 'high',
      createdAt: now,
      expiresAt: now + TTL_MSECS,
      dedupeKey: `test/${id}/${randomUUID()}`,
    });
  };
