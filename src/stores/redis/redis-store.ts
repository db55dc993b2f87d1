import { ErrorReply } from 'redis';
import { InvalidInputError, UnavailableError, errorMessage } from '../../errors.ts';
import { KeyedMutex } from '../../keyed-mutex.ts';
import type { Logger } from '../../logging.ts';
import {
  AnnotationLimitError,
  NO_LIMITS,
  limitsOf,
  type AnnotationLimits,
  type Usage,
} from '../annotation-limits.ts';
import { checkCommit } from '../check-commit.ts';
import { DamagedError } from '../damaged-error.ts';
import { OvertakenError } from '../overtaken-error.ts';
import {
  NO_VALUE,
  PAGE_ENTRIES,
  PAGE_OCTETS,
  type Change,
  type CommitResult,
  type Expectation,
  type PageOptions,
  type Store,
  type StoreEntry,
} from '../store.ts';
import { checkRedisUrl } from './check-redis-url.ts';
import { COMMIT_SCRIPT, PAGE_SCRIPT, SET_ASIDE_SCRIPT } from './commit-script.ts';
import { RedisLink } from './redis-link.ts';
import { warnAboutLoss } from './warn-about-loss.ts';

export interface RedisStoreOptions {
  log: Logger;
  /** How long a call may take before it fails, in milliseconds; two seconds unless given. */
  deadlineMsecs?: number;
  /** Users, besides root and this process's own, whose Redis on this host is sent anything. */
  trustedUsers?: readonly string[];
  /** What annotations may take; as much as there is room for unless given. */
  limits?: AnnotationLimits | undefined;
}

/*
 * Keys in Redis:
 *   coi:u:<user>         a hash, one field for each entry
 *   coi:n:<user>         a hash, how much of that there is; see commit-script.ts
 *   coi:users            the set of users that have a hash
 *   coi:damaged:users    what somebody else had put in its place
 *   coi:restoring:users  there while that set is made anew
 *   coi:check            written by check(), gone after a minute
 */
const PREFIX = 'coi:';
const USERS = `${PREFIX}users`;
const USERS_ASIDE = `${PREFIX}damaged:users`;
const RESTORING = `${PREFIX}restoring:users`;
const CHECK = `${PREFIX}check`;
const CHECK_SECONDS = '60';
/** SSCAN's COUNT: users in one reply, roughly. */
const USERS_PER_PAGE = '500';
/** HSCAN's COUNT where most do not match, and what does is small. */
const ENTRIES_PER_SEARCH = '1000';

/**
 * Opens the store in a Redis server: `redis://[user:password@]host[:port][/db]` or `rediss://…`.
 * Several sidecars may share one. How durable a commit is, is the server's affair (`appendonly`).
 *
 * @throws InvalidInputError the address is not a Redis URL
 * @throws UnavailableError the server is not there, or does not let us in
 */
export async function openRedisStore(
  url: string,
  { log, deadlineMsecs = 2000, trustedUsers = [], limits = NO_LIMITS }: RedisStoreOptions,
): Promise<Store> {
  checkRedisUrl(url);
  const link = new RedisLink(url, {
    ...{ deadlineMsecs, trustedUsers },
    onDown: (reason) => log.error({ reason }, 'lost the connection to Redis; trying to reconnect'),
    onUp: () => log.info('connected to Redis'),
  });
  const store = new RedisStore(link, limits, log);
  try {
    try {
      await store.check();
      await restoreUsers(link, log);
    } catch (error) {
      if (!mayPass(error)) throw error;
      log.error({ reason: errorMessage(error) }, 'started though Redis takes no writes');
    }
    await warnAboutLoss(link, log);
    return store;
  } catch (error) {
    await link.close();
    throw error;
  }
}

class RedisStore implements Store {
  readonly kind = 'redis';
  readonly #link: RedisLink;
  readonly #limits: AnnotationLimits;
  readonly #log: Logger;
  readonly #pageTurns = new KeyedMutex();

  constructor(link: RedisLink, limits: AnnotationLimits, log: Logger) {
    this.#link = link;
    this.#limits = limits;
    this.#log = log;
  }

  async get(user: string, key: string): Promise<Buffer | undefined> {
    const value = await this.#link.send(['HGET', hashOf(user), key]);
    return Buffer.isBuffer(value) ? value : undefined;
  }

  async list(user: string, prefix: string): Promise<StoreEntry[]> {
    const found: [Buffer, Buffer][] = [];
    const pages = this.#scan(user, prefix);
    for await (const page of withoutRepeats(pages)) found.push(...page);
    return found.sort(([a], [b]) => Buffer.compare(a, b)).map(toEntry);
  }

  async *pages(
    user: string,
    prefix: string,
    { keysOnly = false }: PageOptions = {},
  ): AsyncIterable<StoreEntry[]> {
    const pages = this.#scanPages(user, prefix, keysOnly);
    for await (const page of withoutRepeats(pages)) yield page.map(toEntry);
  }

  async usage(user: string, scope: string): Promise<Usage> {
    await this.#run(user, []);
    const fields = ['e', 'o'].map((field) => field + scope);
    const reply = await this.#link.send(['HMGET', countersOf(user), ...fields]);
    const [entries = 0, octets = 0] = (reply as (Buffer | null)[]).map((field) =>
      field === null ? 0 : Number(field.toString()),
    );
    return { entries, octets };
  }

  async commit(user: string, changes: readonly (Change | Expectation)[]): Promise<CommitResult> {
    checkCommit(user, changes);
    const result = await this.#run(user, changes);
    if (result === 'invalid')
      throw new InvalidInputError(
        'An increment names a value that is not a whole number, or leads out of 64 bits.',
      );
    if (result === 'overtaken') throw new OvertakenError();
    const [, entries, octets, scope] = /^exceeded (\d+) (\d+) (.*)$/s.exec(result) ?? [];
    if (scope !== undefined) {
      const after = { entries: Number(entries), octets: Number(octets) };
      throw new AnnotationLimitError(user, { scope, after }, limitsOf(this.#limits, changes));
    }
    return result === 'missing' ? 'missing' : 'committed';
  }

  async #run(user: string, changes: readonly (Change | Expectation)[]): Promise<string> {
    const increments = changes.some(({ op }) => op === 'increment');
    const { own, shared } = limitsOf(this.#limits, changes);
    const limits = [own.entries, own.octets, shared.entries, shared.octets].map(String);
    const args = [
      ...['3', hashOf(user), USERS, countersOf(user)],
      ...[user, increments ? '1' : '0', ...limits],
      ...changes.flatMap(toArgs),
    ];
    try {
      return String(await this.#link.runScript(COMMIT_SCRIPT, args));
    } catch (error) {
      if (!(error instanceof DamagedError)) throw error;
      await restoreUsers(this.#link, this.#log); // if it was that: nothing was changed yet
      return String(await this.#link.runScript(COMMIT_SCRIPT, args));
    }
  }

  async *#scan(user: string, prefix: string): AsyncIterable<[Buffer, Buffer][]> {
    const args = ['MATCH', patternOf(prefix), 'COUNT', ENTRIES_PER_SEARCH];
    const start = Buffer.from(prefix);
    const send = (cursor: string): Promise<unknown> =>
      this.#link.send(['HSCAN', hashOf(user), cursor, ...args]);
    for await (const fields of scanAll(send)) {
      // Redis' patterns are kind, and this must be exact.
      yield toPairs(fields).filter(([key]) => startsWith(key, start));
    }
  }

  /** A page of each user at a time: what one has stored keeps the connection busy for nobody else. */
  async *#scanPages(
    user: string,
    prefix: string,
    keysOnly: boolean,
  ): AsyncIterable<[Buffer, Buffer][]> {
    const args = [keysOnly ? 'keys' : 'values', `${PAGE_ENTRIES}`, `${PAGE_OCTETS}`];
    const start = Buffer.from(prefix);
    const send = (cursor: string): Promise<unknown> =>
      this.#pageTurns.run(user, () =>
        this.#link.runScript(PAGE_SCRIPT, [
          ...['1', hashOf(user), cursor, patternOf(prefix)],
          ...args,
        ]),
      );
    for await (const found of scanAll(send)) {
      const pairs = keysOnly
        ? found.map((key): [Buffer, Buffer] => [key, NO_VALUE])
        : toPairs(found);
      yield pairs.filter(([key]) => startsWith(key, start));
    }
  }

  async *users(): AsyncIterable<string> {
    await restoreUsers(this.#link, this.#log);
    // SSCAN may name one twice when the set shrinks or grows meanwhile.
    const seen = new Set<string>();
    let cursor = '0';
    do {
      const reply = await this.#link.send(['SSCAN', USERS, cursor, 'COUNT', USERS_PER_PAGE]);
      const [next, names] = reply as [Buffer, Buffer[]];
      cursor = next.toString();
      for (const name of names.map(String)) {
        if (seen.has(name)) continue;
        seen.add(name);
        yield name;
      }
    } while (cursor !== '0');
  }

  scrub(): Promise<void> {
    return Promise.resolve();
  }

  /** Writes: a full, read-only or failing server answers PING all the same. */
  async check(): Promise<void> {
    await this.#link.send(['SET', CHECK, '1', 'EX', CHECK_SECONDS]);
  }

  close(): Promise<void> {
    return this.#link.close();
  }
}

/** Out of memory or of disk, or waiting for its data: reading goes on, and writing may later. */
const mayPass = (error: unknown): boolean =>
  error instanceof UnavailableError &&
  error.cause instanceof ErrorReply &&
  /^(?:OOM|MISCONF|READONLY|LOADING|MASTERDOWN|NOREPLICAS|BUSY)\b/.test(error.cause.message);

/**
 * The set of users follows from the hashes. What somebody put in its place is kept under another name,
 * and the set is made anew: no commit would succeed. Where a sidecar was killed meanwhile, the next one
 * that needs the set makes it whole.
 */
async function restoreUsers(link: RedisLink, log: Logger): Promise<void> {
  const reply = await link.runScript(SET_ASIDE_SCRIPT, ['3', USERS, USERS_ASIDE, RESTORING]);
  const [kind, restoring] = reply as [Buffer, number];
  const type = kind.toString();
  if (type !== 'set' && type !== 'none') {
    const place = { key: USERS, aside: USERS_ASIDE, type };
    log.error(place, 'a damaged key of Redis was set aside and is made anew');
  }
  if (restoring === 0) return;
  let cursor = '0';
  do {
    const scan = ['SCAN', cursor, 'MATCH', `${hashOf('')}*`, 'COUNT', USERS_PER_PAGE];
    const [next, keys] = (await link.send(scan)) as [Buffer, Buffer[]];
    cursor = next.toString();
    const users = keys.map((key) => key.subarray(hashOf('').length));
    if (users.length > 0) await link.send(['SADD', USERS, ...users]);
  } while (cursor !== '0');
  await link.send(['DEL', RESTORING]);
}

/** Runs a scan to its end. */
async function* scanAll(send: (cursor: string) => Promise<unknown>): AsyncIterable<Buffer[]> {
  let cursor = '0';
  do {
    const [next, found] = (await send(cursor)) as [Buffer, Buffer[]];
    cursor = next.toString();
    yield found;
  } while (cursor !== '0');
}

/** A scan may name a field twice when the hash grows or shrinks meanwhile. */
async function* withoutRepeats(
  pages: AsyncIterable<[Buffer, Buffer][]>,
): AsyncIterable<[Buffer, Buffer][]> {
  const seen = new Set<string>();
  for await (const page of pages) {
    yield page.filter(([key]) => {
      const name = key.toString('latin1');
      return !seen.has(name) && seen.add(name);
    });
  }
}

const countersOf = (user: string): string => `${PREFIX}n:${user}`;

/** All that begins with the prefix, in Redis' glob patterns. */
const patternOf = (prefix: string): string => `${prefix.replace(/[*?[\]\\^-]/g, '\\$&')}*`;

const startsWith = (key: Buffer, start: Buffer): boolean =>
  key.subarray(0, start.length).equals(start);

const toEntry = ([key, value]: [Buffer, Buffer]): StoreEntry => ({ key: key.toString(), value });

const hashOf = (user: string): string => `${PREFIX}u:${user}`;

const toArgs = (change: Change | Expectation): [string, string, string | Buffer] => {
  switch (change.op) {
    case 'set':
      return ['set', change.key, Buffer.from(change.value)];
    case 'unset':
      return ['unset', change.key, ''];
    case 'increment':
      return ['increment', change.key, `${change.by}`];
    case 'expect':
      return change.value === undefined
        ? ['expect none', change.key, '']
        : ['expect', change.key, Buffer.from(change.value)];
  }
};

function toPairs(fields: readonly Buffer[]): [Buffer, Buffer][] {
  const pairs: [Buffer, Buffer][] = [];
  for (let index = 0; index + 1 < fields.length; index += 2)
    pairs.push([fields[index] as Buffer, fields[index + 1] as Buffer]);
  return pairs;
}
