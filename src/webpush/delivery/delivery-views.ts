import type { OwedPush } from '../../stores/outbox-store.ts';
import {
  MAX_LISTED_ORIGINS,
  type DeliveryLevels,
  type DeliverySnapshot,
  type ListedPush,
} from './delivery.ts';
import type { Origin } from './lane.ts';
import { originOf } from './origin-of.ts';
import type { PushQueue } from './push-queue.ts';

/**
 * An owed push as an administrator may see it: neither endpoint nor payload.
 *
 * @param nextAttemptAt when it may go out, in milliseconds since the epoch; 0: now
 */
export function toListedPush(push: OwedPush, nextAttemptAt: number): ListedPush {
  const { id, user, subscriptionId, kind, urgency, createdAt, expiresAt } = push;
  return {
    ...{ id, user, subscriptionId, kind, urgency, createdAt, expiresAt },
    origin: originOf(push.endpoint),
    attempts: push.attempts,
    nextAttemptAt,
    payloadOctets: Buffer.byteLength(push.payload),
  };
}

/** @param now milliseconds since the epoch */
export function toLevels(queue: PushQueue, now: number): Omit<DeliveryLevels, 'unsettled'> {
  const origins = { open: 0, failing: 0 };
  let pausedResources = 0;
  for (const { owed, gate, paused } of queue.origins()) {
    if (owed > 0) origins[gate.state] += 1;
    pausedResources += paused;
  }
  let oldestAgeSeconds = 0;
  // The first has the lowest id: it has been owed the longest.
  for (const { createdAt } of queue.pushes()) {
    oldestAgeSeconds = Math.max(0, now - createdAt) / 1_000;
    break;
  }
  return { owed: queue.size, oldestAgeSeconds, origins, pausedResources };
}

/** The push services to which something is owed: how many there are, and those with the most. */
export function toOriginSnapshots(
  origins: Iterable<Origin>,
): Pick<DeliverySnapshot, 'origins' | 'originCount'> {
  const owing = [...origins].filter(({ owed }) => owed > 0).sort((a, b) => b.owed - a.owed);
  return {
    originCount: owing.length,
    origins: owing
      .slice(0, MAX_LISTED_ORIGINS)
      .map(({ name, gate, owed, paused, failedInARow, failedUsers, lastFailure }) => ({
        ...{ origin: name, state: gate.state, owed, paused },
        ...{ failedInARow, failedUsers: failedUsers.size },
        ...(lastFailure !== undefined && { lastFailure }),
      })),
  };
}
