import { systemSleep, type Sleep } from '../clock.ts';
import { InvalidInputError } from '../errors.ts';
import type { Logger } from '../logging.ts';
import type { Change, CommitResult, Store, StoreEntry } from '../stores/store.ts';
import type { AbuseThrottle, Admission } from '../webpush/subscriptions/abuse-throttle.ts';
import { VALIDATE_SUFFIX, type ChangeOwnEntries } from './change-own-entries.ts';
import { isHttpNotify, type HttpNotify } from './http-notify.ts';
import type { OwnEntries } from './own-entries.ts';
import { isDictKey, ownEntry, ownerOf, ownPrefix } from './own-entry.ts';

export interface GateParts {
  store: Store;
  own: OwnEntries;
  change: ChangeOwnEntries;
  throttle: AbuseThrottle;
  /** Answers for those without an http-notify annotation; given when events come by the ox driver. */
  httpNotify?: HttpNotify | undefined;
  log: Logger;
  onRefusal?: (about: RefusalSubject) => void;
  /** In real time unless given. */
  sleep?: Sleep;
}

/** What refused annotations are about; `throttle`: subscriptions of those who have to wait. */
export const REFUSAL_SUBJECTS = [
  ...(['config', 'subscription', 'validation', 'vapid', 'throttle'] as const),
] as const;
type RefusalSubject = (typeof REFUSAL_SUBJECTS)[number];

/**
 * The attribute dict that Dovecot sees (`metadata.source: dict`): COI's and WebPush's entries have
 * meaning, everything else passes through untouched. The dict server asks it; keys and paths are as
 * Dovecot sends them.
 */
export interface Gate {
  lookup(user: string, key: string): Promise<Buffer | undefined>;
  /** In pages; everything else has its turn between them. */
  iterate(user: string, path: string, options: { noValue: boolean }): AsyncIterable<StoreEntry[]>;
  commit(user: string, changes: readonly Change[]): Promise<CommitResult>;
}

export function createGate(parts: GateParts): Gate {
  const { store, own, change, throttle, log, onRefusal, sleep = systemSleep } = parts;
  return {
    lookup: (user, key) => {
      if (!isDictKey(key)) return Promise.resolve(undefined);
      const entry = ownEntry(key);
      return entry === undefined ? lookUpForeign(user, key) : own.read(user, entry);
    },

    iterate: async function* (user, path, { noValue }) {
      if (!isDictKey(path)) return;
      const prefix = ownPrefix(path);
      if (prefix !== undefined) {
        // A path that ends above our entries asks for all of them.
        const within = path.startsWith(prefix) ? path.slice(prefix.length) : '';
        const ours = await own.list(user, within);
        yield ours.map(({ key, value }) => ({ key: prefix + key, value }));
      }
      yield* store.pages(ownerOf(user, path), path, { keysOnly: noValue });
    },

    commit: async (user, changes) => {
      const ours: Change[] = [];
      const foreign: Change[] = [];
      for (const one of changes) {
        if (!isDictKey(one.key)) {
          throw new InvalidInputError('the key begins with neither priv/ nor shared/');
        }
        const entry = ownEntry(one.key);
        if (entry === undefined) foreign.push(one);
        else ours.push({ ...one, key: entry });
      }
      const owner = soleOwner(user, foreign);
      if (ours.length === 0) return store.commit(owner, foreign);
      if (owner !== user) throw mixedOwners();
      return commitOwn(user, ours, foreign);
    },
  };

  /**
   * An http-notify annotation that somebody stored, say for Open-Xchange, wins. Ours is for the driver
   * alone: lists, and so exports, do not show what nobody stored.
   */
  async function lookUpForeign(user: string, key: string): Promise<Buffer | undefined> {
    const stored = await store.get(ownerOf(user, key), key);
    return stored ?? (isHttpNotify(key) ? parts.httpNotify?.(user) : undefined);
  }

  async function commitOwn(
    user: string,
    ours: readonly Change[],
    foreign: readonly Change[],
  ): Promise<CommitResult> {
    const admission = throttle.admit(user);
    const subscribes = ours.some(({ op, key }) => op !== 'unset' && subjectOf(key) === SUBSCRIBING);
    if (subscribes) await admitSubscription(user, admission);
    try {
      return await change(user, ours, foreign);
    } catch (error) {
      if (error instanceof InvalidInputError) {
        throttle.refused(user);
        onRefusal?.(subjectOf(ours[0]?.key ?? ''));
        log.info({ user, reason: error.message }, 'refused an annotation');
        if (!subscribes) await hold(admission);
      }
      throw error;
    }
  }

  /**
   * New subscriptions alone are refused unseen: they cost a push. The right validation and right
   * settings are answered at once, a NO to them late: nobody guesses a validation text.
   */
  async function admitSubscription(user: string, admission: Admission): Promise<void> {
    await hold(admission);
    if (admission.admitted) return;
    onRefusal?.('throttle');
    throw new InvalidInputError(`too many refused annotations; ${user} has to wait`);
  }

  async function hold({ holdMsecs }: Admission): Promise<void> {
    if (holdMsecs > 0) await sleep(holdMsecs);
  }
}

/** Dovecot keeps private and shared annotations in transactions of their own (index-attribute.c). */
function soleOwner(user: string, foreign: readonly Change[]): string {
  const owners = new Set(foreign.map(({ key }) => ownerOf(user, key)));
  if (owners.size > 1) throw mixedOwners();
  const [owner = user] = owners;
  return owner;
}

const mixedOwners = (): InvalidInputError =>
  new InvalidInputError('one transaction cannot change both private and shared annotations');

const SUBSCRIBING = 'subscription';

function subjectOf(entry: string): RefusalSubject {
  if (entry.startsWith('coi/')) return 'config';
  if (entry.endsWith(VALIDATE_SUFFIX)) return 'validation';
  return entry === 'webpush/vapid' ? 'vapid' : SUBSCRIBING;
}
