import { COI_ENTRIES, judgeCoiChange } from '../../coi/settings.ts';
import { parseDcryptPrivateKey } from '../../dovecot/dcrypt-private-key.ts';
import type { DictEntry } from '../../dovecot/file-dict.ts';
import type { ListMailboxGuids } from '../../dovecot/mailbox-guids.ts';
import { InvalidInputError, UnavailableError } from '../../errors.ts';
import type { Change, Store } from '../../stores/store.ts';
import type { SubscriptionPlan } from '../../webpush/subscriptions/subscription-plan.ts';
import type { Subscriptions } from '../../webpush/subscriptions/subscriptions.ts';
import type { VapidKeys } from '../../webpush/vapid/vapid-keys.ts';
import { emptyReport, skip, type ImportReport, type Tally } from './import-report.ts';
import { SHARED_OWNER } from '../own-entry.ts';
import { readKeptSubscription } from './read-kept-subscription.ts';
import { inboxGuids, sortAnnotations, type NamedEntry } from './sort-annotations.ts';

export interface ImportParts {
  store: Store;
  subscriptions: Subscriptions;
  vapidKeys: VapidKeys;
  listMailboxes: ListMailboxGuids;
  mailboxRoot: string;
  now: () => number;
}

export interface ImportOptions {
  /** Says what would happen, and changes nothing. */
  dryRun: boolean;
  /** Whether a value that differs from ours takes its place. */
  overwrite: boolean;
}

const NO_KEY =
  'the VAPID private key did not come along: push services that tie subscriptions to it will refuse pushes until the clients subscribe again';

export type ImportAnnotations = (
  user: string,
  entries: readonly DictEntry[],
  options: ImportOptions,
) => Promise<ImportReport>;

/**
 * Takes in what a user had in another attribute dict. What it brings twice changes nothing the second
 * time; what is here already with another value stays, unless it is to be overwritten; nothing is
 * ever removed.
 *
 * No validation push is sent and no folder is made: the user had those. Shared entries, the VAPID key
 * and the rest are three commits, in this order, so that a failure half-way is put right by a repetition.
 *
 * @throws UnavailableError the store is not there, or Dovecot is not while its word is needed
 */
export function createImportAnnotations(parts: ImportParts): ImportAnnotations {
  const { store, subscriptions, vapidKeys } = parts;

  return async (user, entries, options) => {
    const report = emptyReport(user, options.dryRun);
    const inbox = inboxGuids(entries).size > 1 ? await findInbox(user) : undefined;
    const sorted = sortAnnotations(entries, inbox);
    for (const { key, reason } of sorted.skipped) skip(report, key, reason);

    const shared = await compare(SHARED_OWNER, sorted.shared, options, report.annotations);
    const foreign = await compare(user, sorted.foreign, options, report.annotations);
    const settings = judgeSettings(sorted.settings, report);
    const changed = await compare(user, settings, options, report.settings);
    if (!options.dryRun && shared.length > 0) await store.commit(SHARED_OWNER, shared);
    if (sorted.vapid) await adoptVapid(user, sorted.vapid, options, report);
    return subscriptions.transact(user, async (plan, commit) => {
      // A transaction may begin anew.
      const whole = structuredClone(report);
      adoptSubscriptions(plan, sorted.subscriptions, options, whole);
      if (!options.dryRun) await commit([...foreign, ...changed]);
      if (whole.subscriptions.added > 0 && whole.vapid === 'none') whole.warnings.push(NO_KEY);
      return whole;
    });
  };

  async function findInbox(user: string): Promise<string> {
    const mailboxes = await parts.listMailboxes(user);
    const inbox = mailboxes.find(({ mailbox }) => mailbox === 'INBOX');
    if (inbox === undefined) throw new UnavailableError(`Dovecot shows no INBOX of ${user}`);
    return inbox.guid;
  }

  /** The changes that bring the entries in; all are counted. */
  async function compare(
    owner: string,
    entries: readonly DictEntry[],
    { overwrite }: ImportOptions,
    tally: Tally,
  ): Promise<Change[]> {
    const changes: Change[] = [];
    for (const { key, value } of entries) {
      const here = await store.get(owner, key);
      if (here?.equals(value) === true) tally.unchanged += 1;
      else if (here && !overwrite) tally.kept += 1;
      else {
        tally[here ? 'changed' : 'added'] += 1;
        changes.push({ op: 'set', key, value });
      }
    }
    return changes;
  }

  function judgeSettings(settings: readonly NamedEntry[], report: ImportReport): DictEntry[] {
    return settings.flatMap(({ key, name, value }) => {
      if (name === COI_ENTRIES.mailboxRoot) {
        if (value.toString() !== parts.mailboxRoot) {
          skip(report, key, 'it is not coi.mailbox_root: chats are looked for elsewhere here');
        }
        return [];
      }
      try {
        judgeCoiChange(name, value);
        return [{ key: name, value }];
      } catch (error) {
        if (!(error instanceof InvalidInputError)) throw error;
        skip(report, key, error.message);
        return [];
      }
    });
  }

  async function adoptVapid(
    user: string,
    { key, value }: NamedEntry,
    options: ImportOptions,
    report: ImportReport,
  ): Promise<void> {
    const privateKey = parseDcryptPrivateKey(value.toString());
    if (privateKey) report.vapid = await vapidKeys.adopt(user, privateKey, options);
    else skip(report, key, 'it is no unencrypted key that VAPID can use');
  }

  function adoptSubscriptions(
    plan: SubscriptionPlan,
    entries: readonly NamedEntry[],
    { overwrite }: ImportOptions,
    report: ImportReport,
  ): void {
    for (const entry of entries) {
      const { value, created, validated } = readKeptSubscription(entry);
      if (!validated) {
        skip(report, entry.key, 'it was never validated; the client has to subscribe again');
      } else if (report.vapid === 'kept') {
        skip(report, entry.key, 'it was made with another VAPID key than the one here');
      } else {
        try {
          const date = created ?? new Date(parts.now()).toISOString();
          report.subscriptions[plan.adopt(entry.name, value, date, overwrite)] += 1;
        } catch (error) {
          if (!(error instanceof InvalidInputError)) throw error;
          skip(report, entry.key, error.message);
        }
      }
    }
  }
}
