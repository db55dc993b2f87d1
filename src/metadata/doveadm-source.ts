import { LRUCache } from 'lru-cache';
import { COI_ENTRIES, readSettings, settingsFrom } from '../coi/settings.ts';
import type { AnnotationChange, DoveadmAnnotations } from '../dovecot/doveadm-annotations.ts';
import { errorMessage, InvalidInputError } from '../errors.ts';
import type { Logger } from '../logging.ts';
import type { Change, Store } from '../stores/store.ts';
import { VAPID_KEY } from '../webpush/vapid/vapid-record.ts';
import { VALIDATE_SUFFIX, type ChangeOwnEntries } from './change-own-entries.ts';
import type { MetadataSource } from './metadata-source.ts';
import type { OwnEntries } from './own-entries.ts';
import { SharedTurns } from './shared-turns.ts';

export interface DoveadmSourceParts {
  annotations: DoveadmAnnotations;
  store: Store;
  own: OwnEntries;
  change: ChangeOwnEntries;
  /** Milliseconds for which a user's annotations are taken as read (`webpush.cache_lifetime`). */
  cacheLifetime: number;
  log: Logger;
  onLookup?: (result: 'hit' | 'miss') => void;
  onRefused?: (user: string) => void;
}

/** Where the store keeps what each annotation was when last seen; tells clients' changes from ours. */
const SEEN_PREFIX = 'mirror/';
/** Set once a user has been read: from then on the store knows enough to go on without Dovecot. */
const KNOWN: Change = { op: 'set', key: 'mirror', value: Buffer.from('1') };
const MAX_USERS = 100_000;

/**
 * `metadata.source: doveadm`: Dovecot keeps the annotations, and the store here is a mirror in which
 * the same rules hold. What a client has changed since the last look goes through the rules into the
 * store; then what the store says is written back where it differs: `created` and `validated`,
 * mailbox-root, the VAPID key, and removals of what the rules refuse.
 */
export function createDoveadmSource(parts: DoveadmSourceParts): MetadataSource {
  const { annotations, store, own, change, log } = parts;
  const fresh = new LRUCache<string, true>({ max: MAX_USERS, ttl: parts.cacheLifetime || 1 });
  const looks = new SharedTurns(look);
  const catchingUp = new Set<string>();

  /**
   * @param thorough whether to look although what is known is fresh, and give a user without any entry
   * of ours those that the server owns
   */
  async function look(user: string, thorough: boolean): Promise<void> {
    if (thorough) fresh.delete(user);
    // The one before may have begun after this one was asked for.
    else if (fresh.has(user)) return;
    const shown = await annotations.read(user);
    await takeIn(user, shown);
    if (shown.size > 0 || thorough) await writeBack(user, shown);
    else await remember(user, shown);
    fresh.set(user, true);
  }

  /**
   * Clients' changes, one by one: a refused one does not keep the others from having effect, nor does
   * one that has to wait. Each is noted as seen with its effect, whatever becomes of writing back: it
   * must not have effect again, least of all its validation push.
   *
   * @throws UnavailableError something has to wait for the next look
   */
  async function takeIn(user: string, shown: ReadonlyMap<string, string>): Promise<void> {
    const seen = await seenBefore(user);
    // What the store says was written by this service, even if it stopped before it noted that.
    const ours = shown.size > 0 ? await wantedBy(user) : new Map<string, string>();
    const names = new Set([...shown.keys(), ...seen.keys()]);
    const failures: unknown[] = [];
    for (const entry of names) {
      const value = shown.get(entry);
      if (value === seen.get(entry) || SERVER_OWNED.includes(entry)) continue;
      if (value !== undefined && value === ours.get(entry)) continue;
      await takeInOne(user, entry, value).catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  }

  async function takeInOne(user: string, entry: string, value: string | undefined): Promise<void> {
    const note = asChange(SEEN_PREFIX + entry, value);
    // One that was taken in is removed, by us or by the client: nobody waits to hear that this is a NO.
    const isSpent = value === undefined && entry.endsWith(VALIDATE_SUFFIX);
    try {
      await change(user, isSpent ? [] : [asChange(entry, value)], [note]);
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error;
      parts.onRefused?.(user);
      log.info({ user, reason: error.message }, 'an annotation breaks a rule and has no effect');
      // An invalid setting counts as absent.
      const absent = SETTINGS.includes(entry) ? [asChange(entry, undefined)] : [];
      await store.commit(user, [...absent, note]);
    }
  }

  async function writeBack(user: string, shown: ReadonlyMap<string, string>): Promise<void> {
    const wanted = await wantedBy(user);
    const changes: AnnotationChange[] = [];
    for (const entry of new Set([...wanted.keys(), ...shown.keys()])) {
      const value = wanted.get(entry);
      if (value === shown.get(entry) || meansTheSame(entry, value, shown.get(entry))) continue;
      changes.push({ entry, value });
    }
    const written = changes.length > 0 ? await writeUnchanged(user, shown, changes) : [];
    const after = new Map(shown);
    for (const { entry, value } of written) {
      if (value === undefined) after.delete(entry);
      else after.set(entry, value);
    }
    await remember(user, after);
  }

  async function wantedBy(user: string): Promise<Map<string, string>> {
    return new Map((await own.list(user, '')).map(({ key, value }) => [key, value.toString()]));
  }

  /**
   * Dovecot cannot compare and set. So what a client changed since it was read is left alone, to be
   * taken in next time; milliseconds remain in which a client's change could be overwritten.
   */
  async function writeUnchanged(
    user: string,
    shown: ReadonlyMap<string, string>,
    changes: readonly AnnotationChange[],
  ): Promise<AnnotationChange[]> {
    const latest = await annotations.read(user);
    const unchanged = changes.filter(({ entry }) => latest.get(entry) === shown.get(entry));
    await annotations.write(user, unchanged);
    if (unchanged.length < changes.length) lookLater(user);
    return unchanged;
  }

  async function seenBefore(user: string): Promise<Map<string, string>> {
    const entries = await store.list(user, SEEN_PREFIX);
    return new Map(
      entries.map(({ key, value }) => [key.slice(SEEN_PREFIX.length), value.toString()]),
    );
  }

  async function remember(user: string, shown: ReadonlyMap<string, string>): Promise<void> {
    const seen = await seenBefore(user);
    const changes: Change[] = [];
    for (const entry of new Set([...shown.keys(), ...seen.keys()])) {
      const value = shown.get(entry);
      if (seen.get(entry) !== value) changes.push(asChange(SEEN_PREFIX + entry, value));
    }
    if (changes.length > 0) await store.commit(user, [...changes, KNOWN]);
    else if ((await store.get(user, KNOWN.key)) === undefined) await store.commit(user, [KNOWN]);
  }

  /**
   * For the next look to find: the entries that the server owns appear at the first one, and what could
   * not be written when it came about is written now.
   */
  async function catchUp(user: string): Promise<void> {
    const introduced = await store.get(user, SEEN_PREFIX + COI_ENTRIES.mailboxRoot);
    if (catchingUp.has(user) || (introduced !== undefined && fresh.has(user))) return;
    catchingUp.add(user);
    await looks.ask(user, true).finally(() => catchingUp.delete(user));
  }

  function lookLater(user: string): void {
    looks.ask(user, true).catch((error: unknown) => sayLater(user, error));
  }

  const sayLater = (user: string, error: unknown): void =>
    log.warn({ user, reason: errorMessage(error) }, 'cannot act on annotations yet');

  async function refresh(user: string): Promise<void> {
    const isFresh = fresh.has(user);
    parts.onLookup?.(isFresh ? 'hit' : 'miss');
    if (isFresh) return;
    try {
      await looks.ask(user, false);
    } catch (error) {
      // Old settings are better than none; a user of whom nothing is known must not lose chat mail.
      if ((await store.get(user, KNOWN.key)) === undefined) throw error;
      log.warn({ user, reason: errorMessage(error) }, 'cannot read annotations; using older ones');
    }
  }

  return {
    settings: async (user) => {
      await refresh(user);
      return readSettings(store, user);
    },
    publish: (user) => looks.ask(user, true),
    forget: (user) => {
      if (user === undefined) fresh.clear();
      else fresh.delete(user);
    },
    stop: (deadlineMsecs) => looks.stop(deadlineMsecs),
    onNotice: (user, command) => {
      if (command !== 'GETMETADATA') lookLater(user);
      else catchUp(user).catch((error: unknown) => sayLater(user, error));
    },
  };
}

const SETTINGS: readonly string[] = [COI_ENTRIES.enabled, COI_ENTRIES.messageFilter];
/** Clients read these; what they write there is overwritten. */
const SERVER_OWNED: readonly string[] = [COI_ENTRIES.mailboxRoot, VAPID_KEY];

const asChange = (key: string, value: string | undefined): Change =>
  value === undefined ? { op: 'unset', key } : { op: 'set', key, value: Buffer.from(value) };

/** An invalid setting is left for the client to see, as long as it means what the store holds. */
function meansTheSame(entry: string, one: string | undefined, other: string | undefined): boolean {
  if (!SETTINGS.includes(entry)) return false;
  const meaning = (value: string | undefined): string => {
    const octets = value === undefined ? undefined : Buffer.from(value);
    return entry === COI_ENTRIES.enabled
      ? String(settingsFrom(octets, undefined).enabled)
      : settingsFrom(undefined, octets).messageFilter;
  };
  return meaning(one) === meaning(other);
}
