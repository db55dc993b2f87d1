import type { Logger } from '../../logging.ts';
import type { RedisLink } from './redis-link.ts';

/**
 * Tells the operator, at the start, when the server is set up to lose what it confirmed. A server
 * that does not show its settings is taken at its word.
 */
export async function warnAboutLoss(link: RedisLink, log: Logger): Promise<void> {
  const info = await link.send(['INFO']).catch(() => '');
  const settings = String(info);
  if (settings.includes('aof_enabled:0'))
    log.warn(
      'Redis writes to disk now and then only: set "appendonly yes", or the last minutes of users’ ' +
        'settings are lost when it stops',
    );
  const policy = /^maxmemory_policy:(.*?)\r?$/m.exec(settings)?.[1];
  if (policy?.startsWith('allkeys') === true)
    log.warn(
      { policy },
      'Redis drops users’ settings when its memory is full: set "maxmemory-policy noeviction"',
    );
}
