import { LRUCache } from 'lru-cache';
import { errorMessage, UnavailableError } from '../errors.ts';
import type { Logger } from '../logging.ts';
import { DamagedError } from './damaged-error.ts';
import type { ReplacedFile } from './sqlite/writer-messages.ts';
import type { Store } from './store.ts';

/** What is remembered of one kind: beyond it, counts say "or more". */
const MOST_KNOWN = 10_000;
/** A user who was not met again for so long has been put right, perhaps. */
const REMEMBER_MSECS = 3_600_000;
const SAY_EVERY_MSECS = 60_000;

/** What a metric calls them. */
export type DamagedThing = 'users' | 'records' | 'pushes' | 'files';

/**
 * Counts what is stored and cannot be used, so that `/readyz`, the log and the metrics tell of it while
 * all else goes on.
 */
export class DamageWatch {
  readonly #log: Logger;
  readonly #monotonic: () => number;
  readonly #users: LRUCache<string, true>;
  readonly #records: LRUCache<string, true>;
  readonly #saidAt = new Map<DamagedThing, number>();
  #pushes = 0;
  readonly #replaced = new Map<string, ReplacedFile>();

  /** @param monotonic milliseconds */
  constructor(log: Logger, monotonic: () => number) {
    this.#log = log;
    this.#monotonic = monotonic;
    const memory = { max: MOST_KNOWN, ttl: REMEMBER_MSECS, perf: { now: monotonic } };
    this.#users = new LRUCache({ ...memory, ttlResolution: 0 });
    this.#records = new LRUCache({ ...memory, ttlResolution: 0 });
  }

  /** What is stored of a user cannot be read. */
  noteUser(user: string, reason: string): void {
    const users = this.#note(this.#users, user);
    this.#sayRarely('users', () =>
      this.#log.error({ user, reason, users }, 'what is stored of a user cannot be read'),
    );
  }

  /** A record in the store is none; it is overlooked. */
  noteRecord(user: string, key: string): void {
    const records = this.#note(this.#records, `${user}\0${key}`);
    this.#sayRarely('records', () =>
      this.#log.warn({ user, key, records }, 'a record in the store is damaged and not used'),
    );
  }

  /** Rows of the outbox were set aside, or are overlooked. */
  notePushes(path: string, pushes: number): void {
    if (pushes === 0) return;
    this.#pushes += pushes;
    this.#log.error(
      { file: path, pushes },
      'damaged pushes are not sent; they are in the table "damaged" of the outbox',
    );
  }

  /** A damaged file was replaced; told once more when what could be read of it is in the new one. */
  noteReplaced(path: string, file: ReplacedFile): void {
    this.#replaced.set(path, file);
    this.#log.error(
      { file: path, aside: file.aside, salvagedRows: file.salvaged },
      'a damaged file was set aside and a new one begun: pushes may be lost, or be sent twice',
    );
  }

  /** A file cannot be used yet; each use tries again. */
  noteUnopened(path: string, reason: string): void {
    this.#log.error({ file: path, reason }, 'started without a file that cannot be opened');
  }

  /** @throws UnavailableError some users are cut off */
  checkUsers(): void {
    this.#users.purgeStale();
    const users = this.#users.size;
    if (users === 0) return;
    throw new UnavailableError(
      `what is stored of ${howMany(users)} ${users === 1 ? 'user' : 'users'} cannot be read, all others are served: stop the ` +
        'sidecar and put a backup in its place (the log says what is wrong)',
    );
  }

  storeRemark(): string | undefined {
    this.#records.purgeStale();
    const records = this.#records.size;
    return records === 0 ? undefined : damaged(records, 'record', 'used');
  }

  outboxRemark(): string | undefined {
    const remarks = [...this.#replaced.values()].map(
      ({ aside, salvaged }) => `begun anew with ${salvaged} rows of the damaged ${aside}`,
    );
    if (this.#pushes > 0) remarks.push(damaged(this.#pushes, 'push', 'sent'));
    return remarks.length === 0 ? undefined : remarks.join('; ');
  }

  counts(): Record<DamagedThing, number> {
    this.#users.purgeStale();
    this.#records.purgeStale();
    return {
      users: this.#users.size,
      records: this.#records.size,
      pushes: this.#pushes,
      files: this.#replaced.size,
    };
  }

  #note(known: LRUCache<string, true>, key: string): number {
    known.set(key, true);
    return known.size;
  }

  #sayRarely(about: DamagedThing, say: () => void): void {
    const now = this.#monotonic();
    if (now - (this.#saidAt.get(about) ?? -Infinity) < SAY_EVERY_MSECS) return;
    this.#saidAt.set(about, now);
    say();
  }
}

const howMany = (count: number): string => (count < MOST_KNOWN ? `${count}` : `${count} or more`);

const damaged = (count: number, one: 'record' | 'push', done: 'used' | 'sent'): string =>
  count === 1
    ? `1 damaged ${one} is not ${done}`
    : `${howMany(count)} damaged ${one === 'push' ? 'pushes' : 'records'} are not ${done}`;

/** The store, with what it finds damaged told to `watch`. */
export function watchDamage(store: Store, watch: DamageWatch): Store {
  async function telling<T>(user: string, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (error instanceof DamagedError) watch.noteUser(user, errorMessage(error));
      throw error;
    }
  }
  return {
    kind: store.kind,
    get: (user, key) => telling(user, store.get(user, key)),
    list: (user, prefix) => telling(user, store.list(user, prefix)),
    pages: async function* (user, prefix, options) {
      const pages = store.pages(user, prefix, options)[Symbol.asyncIterator]();
      for (;;) {
        const page = await telling(user, pages.next());
        if (page.done === true) return;
        yield page.value;
      }
    },
    usage: (user, scope) => telling(user, store.usage(user, scope)),
    commit: (user, changes) => telling(user, store.commit(user, changes)),
    users: () => store.users(),
    scrub: () => store.scrub(),
    check: () => store.check(),
    close: () => store.close(),
  };
}
