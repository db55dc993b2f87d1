import { InvalidInputError } from '../errors.ts';
import { checkRedisUrl } from './redis/check-redis-url.ts';

export type StoreAddress = { kind: 'sqlite'; path: string } | { kind: 'redis'; url: string };

/**
 * `sqlite:/path/to/state.db`, `redis://host[:port][/db]` or `rediss://…`.
 *
 * @throws InvalidInputError no such kind of store, or an address that it does not understand
 */
export function parseStoreUrl(url: string): StoreAddress {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  switch (scheme) {
    case 'sqlite':
      return { kind: 'sqlite', path: sqlitePath(url) };
    case 'redis':
    case 'rediss':
      checkRedisUrl(url);
      return { kind: 'redis', url };
    default:
      // The rest of the URL may hold a password.
      throw new InvalidInputError(
        `unknown kind of store "${scheme ?? ''}"; write sqlite:/path/to/state.db, redis://host or ` +
          'rediss://host',
      );
  }
}

/** `sqlite:/path` as documented, and `sqlite:///path` as others write it. */
function sqlitePath(url: string): string {
  const path = /^sqlite:(?:\/\/)?(\/(?!\/).*)$/i.exec(url)?.[1];
  if (path === undefined)
    throw new InvalidInputError(
      'an SQLite store needs an absolute path; write it like sqlite:/path/to/state.db',
    );
  return path;
}
