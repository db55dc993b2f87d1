import { COI_ENTRIES, COI_PREFIX } from '../coi/settings.ts';
import type { Store, StoreEntry } from '../stores/store.ts';
import {
  formatSubscription,
  SUBSCRIPTION_PREFIX,
} from '../webpush/subscriptions/subscription-record.ts';
import type { Subscriptions } from '../webpush/subscriptions/subscriptions.ts';
import { VAPID_KEY } from '../webpush/vapid/vapid-record.ts';
import type { VapidKeys } from '../webpush/vapid/vapid-keys.ts';

export interface OwnEntriesParts {
  store: Store;
  subscriptions: Subscriptions;
  vapidKeys: VapidKeys;
  mailboxRoot: string;
}

/** COI's and WebPush's entries as clients read them; the store keeps some of them differently. */
export interface OwnEntries {
  read(user: string, entry: string): Promise<Buffer | undefined>;
  /** All that exist, whose names begin with `prefix`. */
  list(user: string, prefix: string): Promise<StoreEntry[]>;
}

export function createOwnEntries(parts: OwnEntriesParts): OwnEntries {
  const { store, subscriptions, vapidKeys } = parts;
  const mailboxRoot = Buffer.from(parts.mailboxRoot);

  async function read(user: string, entry: string): Promise<Buffer | undefined> {
    if (entry === COI_ENTRIES.mailboxRoot) return mailboxRoot;
    if (entry === VAPID_KEY) return Buffer.from((await vapidKeys.get(user)).publicPem);
    if (entry.startsWith(COI_PREFIX)) return store.get(user, entry);
    if (!entry.startsWith(SUBSCRIPTION_PREFIX)) return undefined;
    const found = await subscriptions.find(user, entry.slice(SUBSCRIPTION_PREFIX.length));
    return found && Buffer.from(formatSubscription(found));
  }

  async function list(user: string, prefix: string): Promise<StoreEntry[]> {
    const entries: StoreEntry[] = [];
    for (const key of [...Object.values(COI_ENTRIES), VAPID_KEY]) {
      // Looked at one by one: a list of COI's entries must not make a VAPID key.
      const value = key.startsWith(prefix) ? await read(user, key) : undefined;
      if (value !== undefined) entries.push({ key, value });
    }
    if (mayShareNames(SUBSCRIPTION_PREFIX, prefix)) {
      for (const { id, subscription } of await subscriptions.list(user)) {
        const key = SUBSCRIPTION_PREFIX + id;
        if (key.startsWith(prefix)) {
          entries.push({ key, value: Buffer.from(formatSubscription(subscription)) });
        }
      }
    }
    return entries;
  }

  return { read, list };
}

const mayShareNames = (one: string, other: string): boolean =>
  one.startsWith(other) || other.startsWith(one);
