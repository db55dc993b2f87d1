import type { DeliveryHistory } from './delivery-history.ts';
import type { MessageType, Subscription } from './subscription.ts';

/** Where one user's subscriptions stand in the store; the ID follows. */
export const SUBSCRIPTION_PREFIX = 'webpush/subscriptions/';

export const subscriptionKey = (id: string): string => SUBSCRIPTION_PREFIX + id;

/** A subscription with what only the server needs to know about it. */
export interface KeptSubscription {
  subscription: Subscription;
  /** {@link hashToken} of the validation text. It stays after validation, for a repeated one. */
  tokenHash: string;
  /** Milliseconds since the epoch: the last moment at which the validation text is taken. */
  expiresAt: number;
  /**
   * Milliseconds since the epoch: when the push service said that it took the validation push; absent until
   * then.
   */
  sentAt?: number;
  /** Of the pushes to this subscription's endpoint. */
  history: DeliveryHistory;
}

/** All that is kept under one ID. Neither part: the ID is free. */
export interface SubscriptionRecord {
  /** Validated, and pushed to. */
  active?: KeptSubscription;
  /** Waits for its validation; then it takes the place of `active`. */
  pending?: KeptSubscription;
}

export const isExpired = (pending: KeptSubscription, now: number): boolean =>
  now > pending.expiresAt;

/** The one that a client wrote last and that still stands: the one that a list shows. */
export const shownSubscription = (
  { active, pending }: SubscriptionRecord,
  now: number,
): Subscription | undefined =>
  (pending && !isExpired(pending, now) ? pending : active)?.subscription;

/** The JSON that clients see (webpush-spec, "List Existing Subscriptions"), in its field order. */
export const formatSubscription = (shown: Subscription): string =>
  JSON.stringify({
    created: shown.created,
    validated: shown.validated,
    client: shown.client,
    device: shown.device,
    msgtype: shown.msgtype,
    resource: {
      endpoint: shown.resource.endpoint,
      keys: { p256dh: shown.resource.keys.p256dh, auth: shown.resource.keys.auth },
    },
  });

const VERSION = 1;

export const encodeRecord = ({ active, pending }: SubscriptionRecord): Buffer =>
  Buffer.from(JSON.stringify({ version: VERSION, active, pending }));

/** @returns undefined when the octets are no record of this version: damaged, or not ours */
export function decodeRecord(octets: Uint8Array): SubscriptionRecord | undefined {
  try {
    const { version, active, pending } = JSON.parse(Buffer.from(octets).toString()) as StoredRecord;
    if (version !== VERSION) return undefined;
    return {
      ...(active && { active: asKept(active, true) }),
      ...(pending && { pending: asKept(pending, false) }),
    };
  } catch {
    return undefined;
  }
}

interface StoredRecord extends SubscriptionRecord {
  version?: number;
}

/**
 * Whatever stands in the store: no part of it is used that is not what it should be.
 *
 * @throws TypeError a part without which nothing could be pushed or validated is missing
 */
function asKept(kept: KeptSubscription, validated: boolean): KeptSubscription {
  const { created, client, device, msgtype, resource } = kept.subscription;
  const texts = [created, resource.endpoint, resource.keys.p256dh, resource.keys.auth];
  if (![...texts, kept.tokenHash].every((text) => typeof text === 'string')) {
    throw new TypeError('a text is missing');
  }
  if (!MESSAGE_TYPES.has(msgtype)) throw new TypeError('the msgtype is missing');
  if (!isTime(kept.expiresAt)) throw new TypeError('the deadline is missing');
  return {
    subscription: {
      ...{ created, validated },
      ...(typeof client === 'string' && { client }),
      ...(typeof device === 'string' && { device }),
      msgtype,
      resource,
    },
    tokenHash: kept.tokenHash,
    expiresAt: kept.expiresAt,
    ...(isTime(kept.sentAt) && { sentAt: kept.sentAt }),
    history: asHistory(kept.history),
  };
}

function asHistory(history: Partial<DeliveryHistory> | null | undefined): DeliveryHistory {
  const { successes, failures, failuresInARow, lastOutcome, lastStatus, lastAt } = history ?? {};
  return {
    successes: asCount(successes),
    failures: asCount(failures),
    failuresInARow: asCount(failuresInARow),
    ...(typeof lastOutcome === 'string' && { lastOutcome }),
    ...(typeof lastStatus === 'number' && Number.isSafeInteger(lastStatus) && { lastStatus }),
    ...(isTime(lastAt) && { lastAt }),
  };
}

const MESSAGE_TYPES: ReadonlySet<unknown> = new Set<MessageType>(['all', 'chat', 'mail']);

/** Whether a Date can be made of it (ECMA-262, "Time Values"). */
const isTime = (value: unknown): value is number =>
  typeof value === 'number' && value >= 0 && value <= 8_640_000_000_000_000;

/** Room is left to count on. */
const asCount = (value: unknown): number =>
  typeof value === 'number' && value >= 0 ? Math.min(Math.floor(value), 2 ** 52) : 0;
