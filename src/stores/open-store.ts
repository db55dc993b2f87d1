import type { Logger } from '../logging.ts';
import type { AnnotationLimits } from './annotation-limits.ts';
import { parseStoreUrl } from './parse-store-url.ts';
import { openSqliteStore } from './sqlite/sqlite-store.ts';
import type { Store } from './store.ts';

export interface OpenStoreOptions {
  /** Told when a store comes, goes, or is set up to lose what it is given. */
  log: Logger;
  limits?: AnnotationLimits;
}

/**
 * Opens the store at `url`; an SQLite file is made if it is not there.
 *
 * @throws InvalidInputError see {@link parseStoreUrl}
 * @throws UnavailableError the store cannot be opened; the message says why and what to do
 */
export async function openStore(url: string, options: OpenStoreOptions): Promise<Store> {
  const address = parseStoreUrl(url);
  if (address.kind === 'sqlite') {
    const { limits } = options;
    return openSqliteStore(address.path, limits && { limits });
  }
  // Loaded when asked for: it takes a tenth of a second and most do without.
  const { openRedisStore } = await import('./redis/redis-store.ts');
  return openRedisStore(address.url, options);
}
