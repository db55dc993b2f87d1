import { ConflictError, NotFoundError } from '../errors.ts';
import type { ListMailboxGuids } from '../dovecot/mailbox-guids.ts';
import type { Store } from '../stores/store.ts';
import type { AbuseThrottle } from '../webpush/subscriptions/abuse-throttle.ts';
import { SUBSCRIPTION_PREFIX } from '../webpush/subscriptions/subscription-record.ts';
import type { Subscriptions } from '../webpush/subscriptions/subscriptions.ts';
import { VAPID_KEY } from '../webpush/vapid/vapid-record.ts';
import { isDictKey } from './own-entry.ts';
import type { VapidKeys } from '../webpush/vapid/vapid-keys.ts';

export interface ForgetUserParts {
  store: Store;
  subscriptions: Subscriptions;
  vapidKeys: VapidKeys;
  throttle: AbuseThrottle;
  listMailboxes: ListMailboxGuids;
  /** What is owed to the user, and on its way. @returns how many pushes */
  forgetPushes: (user: string) => Promise<number>;
  /** What waits to be handled, and what was set aside. @returns how many transactions */
  forgetEvents: (user: string) => Promise<number>;
  /** @returns how many files */
  removeRawlogs: (user: string) => Promise<number>;
  /** What is remembered in memory alone. */
  forgetCached: (user: string) => void;
  /** Begins anew to tell Dovecot whose mail matters. */
  renewFilter: () => Promise<void>;
}

/** How much of a user there was. */
export interface ForgottenUser {
  subscriptions: number;
  vapidKeys: number;
  /** Settings, comments, keys of other plugins, and what the service noted about them. */
  annotations: number;
  pushes: number;
  spooledEvents: number;
  rawlogs: number;
}

export interface ForgetUserOptions {
  /** Also while the account is there, or nobody can say. */
  force: boolean;
}

/**
 * Removes all that is kept of a user: from the store, the outbox, the event logs, the rawlogs and memory;
 * off the disk as well, as far as {@link Store.scrub} goes. Can be repeated, and is to be after a failure.
 *
 * Entries of mailboxes that all who see the mailbox share stand under its GUID, and stay.
 *
 * @throws ConflictError Dovecot still knows the user
 * @throws UnavailableError a part of it could not be removed, or Dovecot cannot be asked
 */
export type ForgetUser = (user: string, options: ForgetUserOptions) => Promise<ForgottenUser>;

/** Entries that one commit removes. */
const AT_A_TIME = 1_000;

export function createForgetUser(parts: ForgetUserParts): ForgetUser {
  const { store, subscriptions, vapidKeys, throttle } = parts;

  return async (user, { force }) => {
    // With a plugin's keys among the annotations, a slip would make all of a user's mail unreadable.
    if (!force && (await isKnown(user))) throw stillThere(user);
    const entries = await removeEntries(user);
    const pushes = await parts.forgetPushes(user);
    const spooledEvents = await parts.forgetEvents(user);
    const rawlogs = await parts.removeRawlogs(user);
    // What was under way until then may have left something once more.
    entries.push(...(await removeEntries(user)));
    throttle.lift(user);
    parts.forgetCached(user);
    await store.scrub();
    if (entries.length > 0) await parts.renewFilter();
    return { ...countEntries(entries), pushes, spooledEvents, rawlogs };
  };

  async function isKnown(user: string): Promise<boolean> {
    try {
      await parts.listMailboxes(user);
      return true;
    } catch (error) {
      if (error instanceof NotFoundError) return false;
      throw error;
    }
  }

  /** In turn with all else that concerns the user's subscriptions. @returns the keys */
  function removeEntries(user: string): Promise<string[]> {
    return subscriptions.transact(user, async (plan, commit) => {
      plan.forgetAll();
      const keys: string[] = [];
      for await (const page of store.pages(user, '', { keysOnly: true })) {
        for (const { key } of page) keys.push(key);
      }
      // Ours go first, in one commit; others have their turn between those of the rest.
      const changes = keys
        .toSorted((a, b) => Number(isDictKey(a)) - Number(isDictKey(b)))
        .map((key) => ({ op: 'unset' as const, key }));
      await commit(changes.splice(0, AT_A_TIME));
      while (changes.length > 0) await store.commit(user, changes.splice(0, AT_A_TIME));
      vapidKeys.forget(user);
      return keys;
    });
  }
}

function countEntries(keys: readonly string[]) {
  const all = [...new Set(keys)];
  const isSubscription = (key: string): boolean => key.startsWith(SUBSCRIPTION_PREFIX);
  const count = all.filter(isSubscription).length;
  const vapid = all.filter((key) => key === VAPID_KEY).length;
  return { subscriptions: count, vapidKeys: vapid, annotations: all.length - count - vapid };
}

const stillThere = (user: string): ConflictError =>
  new ConflictError(
    `Dovecot still knows the user ${JSON.stringify(user)}, and would lose what mail-crypt and others ` +
      'keep here: delete the account first, or say so ("users forget … --force", "?force=true")',
  );
