import { COI_ENTRIES } from '../../coi/settings.ts';
import { formatDcryptPrivateKey } from '../../dovecot/dcrypt-private-key.ts';
import type { DictEntry } from '../../dovecot/file-dict.ts';
import type { ListMailboxGuids } from '../../dovecot/mailbox-guids.ts';
import { UnavailableError } from '../../errors.ts';
import type { Store } from '../../stores/store.ts';
import type { Subscriptions } from '../../webpush/subscriptions/subscriptions.ts';
import type { VapidKeys } from '../../webpush/vapid/vapid-keys.ts';
import { serverKey, SHARED_OWNER } from '../own-entry.ts';
import { formatPluginSubscription, pluginSubscriptionKey, pluginVapidKey } from './plugin-entry.ts';

export interface ExportParts {
  store: Store;
  subscriptions: Subscriptions;
  vapidKeys: VapidKeys;
  listMailboxes: ListMailboxGuids;
}

export type ExportAnnotations = (user: string) => Promise<DictEntry[]>;

/**
 * All that a user has, as an attribute dict of Dovecot's own holds it: what passed through as it came,
 * COI's settings as clients set them, validated subscriptions and the VAPID private key in the form
 * of the C plugin. {@link createImportAnnotations} reads all of it back.
 *
 * Left out: subscriptions that were never validated, counts of deliveries, and shared entries of
 * mailboxes that the user does not see.
 *
 * @throws NotFoundError Dovecot knows no such user
 * @throws UnavailableError the store is not there, or Dovecot, which alone knows the GUIDs
 */
export function createExportAnnotations(parts: ExportParts): ExportAnnotations {
  const { store, subscriptions, vapidKeys } = parts;

  return async (user) => {
    const mailboxes = await parts.listMailboxes(user);
    const entries = await collect(user, 'priv/');
    for (const { guid } of mailboxes) {
      for (const entry of await collect(SHARED_OWNER, `shared/${guid}/`)) entries.push(entry);
    }
    const ours = await listOurs(user);
    if (ours.length === 0) return entries;
    const inbox = mailboxes.find(({ mailbox }) => mailbox === 'INBOX');
    if (inbox === undefined) throw new UnavailableError(`Dovecot shows no INBOX of ${user}`);
    return [...entries, ...ours.map(({ key, value }) => ({ key: key(inbox.guid), value }))];
  };

  async function collect(owner: string, prefix: string): Promise<DictEntry[]> {
    const entries: DictEntry[] = [];
    for await (const page of store.pages(owner, prefix)) entries.push(...page);
    return entries;
  }

  async function listOurs(
    user: string,
  ): Promise<{ key: (inbox: string) => string; value: Buffer }[]> {
    const ours: { key: (inbox: string) => string; value: Buffer }[] = [];
    for (const name of [COI_ENTRIES.enabled, COI_ENTRIES.messageFilter]) {
      const value = await store.get(user, name);
      if (value) ours.push({ key: (inbox) => serverKey(inbox, name), value });
    }
    const vapid = await vapidKeys.find(user);
    if (vapid) {
      ours.push({
        key: pluginVapidKey,
        value: Buffer.from(formatDcryptPrivateKey(vapid.privateKey)),
      });
    }
    for (const [id, { active }] of await subscriptions.inspect(user)) {
      if (active === undefined) continue;
      const value = formatPluginSubscription(active.subscription);
      ours.push({ key: (inbox) => pluginSubscriptionKey(inbox, id), value });
    }
    return ours;
  }
}
