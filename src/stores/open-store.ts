import type { Logger } from '../logging.ts';
import type { AnnotationLimits } from './annotation-limits.ts';
import { DamageWatch, watchDamage } from './damage-watch.ts';
import { parseStoreUrl } from './parse-store-url.ts';
import { openSqliteStore } from './sqlite/sqlite-store.ts';
import type { Store } from './store.ts';

export interface OpenStoreOptions {
  /** Told when a store comes, goes, or is set up to lose what it is given. */
  log: Logger;
  /** Told of what is damaged; one of its own unless given. */
  damage?: DamageWatch;
  limits?: AnnotationLimits;
  /** Users, besides root and this process's own, whose Redis on this host is sent anything. */
  trustedUsers?: readonly string[];
}

/**
 * Opens the store at `url`; an SQLite file is made if it is not there.
 *
 * @throws InvalidInputError see {@link parseStoreUrl}
 * @throws UnavailableError the store cannot be opened; the message says why and what to do
 */
export async function openStore(url: string, options: OpenStoreOptions): Promise<Store> {
  const { log, damage = new DamageWatch(log, () => performance.now()) } = options;
  const address = parseStoreUrl(url);
  if (address.kind === 'sqlite') {
    const onUnopened = (path: string, reason: string): void => damage.noteUnopened(path, reason);
    const { limits } = options;
    const opened = await openSqliteStore(address.path, { onUnopened, ...(limits && { limits }) });
    return watchDamage(opened, damage);
  }
  // Loaded when asked for: it takes a tenth of a second and most do without.
  const { openRedisStore } = await import('./redis/redis-store.ts');
  return watchDamage(await openRedisStore(address.url, options), damage);
}
