import { InvalidInputError } from '../errors.ts';
import type { Logger } from '../logging.ts';
import { openSqliteStore } from './sqlite/sqlite-store.ts';
import type { Store } from './store.ts';

export interface OpenStoreOptions {
  /** Told when a store comes, goes, or is set up to lose what it is given. */
  log: Logger;
}

type Opener = (url: string, options: OpenStoreOptions) => Promise<Store>;

const openRedis: Opener = async (url, options) => {
  // Loaded when asked for: it takes a tenth of a second and most do without.
  const { openRedisStore } = await import('./redis/redis-store.ts');
  return openRedisStore(url, options);
};

const openers: Readonly<Record<string, Opener>> = {
  sqlite: (url) => openSqliteStore(sqlitePath(url)),
  redis: openRedis,
  rediss: openRedis,
};

/**
 * Opens the store at `url`: `sqlite:/path/to/state.db`, `redis://host[:port][/db]` or `rediss://…`.
 * An SQLite file is made if it is not there.
 *
 * @throws InvalidInputError no such kind of store, or an address that it does not understand
 * @throws UnavailableError the store cannot be opened; the message says why and what to do
 */
export async function openStore(url: string, options: OpenStoreOptions): Promise<Store> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  const open = scheme !== undefined && Object.hasOwn(openers, scheme) ? openers[scheme] : undefined;
  if (open === undefined)
    // The rest of the URL may hold a password.
    throw new InvalidInputError(
      `Unknown kind of store "${scheme ?? ''}": store.url must be sqlite:/path/to/state.db, ` +
        'redis://host or rediss://host.',
    );
  return open(url, options);
}

/** `sqlite:/path` as documented, and `sqlite:///path` as others write it. */
function sqlitePath(url: string): string {
  const path = /^sqlite:(?:\/\/)?(\/(?!\/).*)$/i.exec(url)?.[1];
  if (path === undefined)
    throw new InvalidInputError(
      'An SQLite store needs an absolute path: store.url must look like sqlite:/path/to/state.db.',
    );
  return path;
}
