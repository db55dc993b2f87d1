import { isDeepStrictEqual } from 'node:util';
import { leaves, type Config } from '../config/schema.ts';
import { readConnections, type Domain } from './build-domain.ts';
import type { Flows } from './build-flows.ts';
import type { Ground } from './build-ground.ts';

/** What is read of the configuration whenever it is needed, so that it may change. */
const RELOADABLE: ReadonlySet<string> = new Set([
  ...['log.level', 'http.token', 'http.admin_token', 'doveadm.api_key', 'doveadm.trusted_users'],
  ...['webpush.vapid_subject', 'webpush.ca_file'],
  ...['webpush.proxy_url', 'webpush.proxy_username', 'webpush.proxy_password'],
  'webpush.proxy_trusted_users',
]);

/**
 * Takes over what of a configuration may change while the service runs, reads the files anew that it names,
 * and drops cached settings and VAPID keys. One log line says what has changed, and another what needs a
 * restart, by the names of the options.
 *
 * @param next judged already (`judgeOptions`)
 * @throws InvalidInputError a file has become unreadable in between; then nothing has changed
 */
export async function reload(
  { config, log }: Ground,
  { client, vapidKeys }: Domain,
  { source }: Flows,
  next: Config,
): Promise<void> {
  const connections = await readConnections(next.webpush);
  const changed = leaves
    .map(([path]) => path)
    .filter((path) => !isDeepStrictEqual(optionOf(config, path), optionOf(next, path)));
  const taken = changed.filter((path) => isReloadable(path, config, next));
  for (const path of taken) setOption(config, path, optionOf(next, path));
  // Always: what has changed may be in the file.
  client.adapt(connections);
  source.forget();
  vapidKeys.forget();
  // Whichever level lets it through: who has just made the log quieter wants to know as well.
  const tell = (): void => log.info({ changed: taken }, 'reloaded');
  const wasHeard = log.isLevelEnabled('info');
  if (wasHeard) tell();
  log.level = config.log.level;
  if (!wasHeard) tell();
  const left = changed.filter((path) => !taken.includes(path));
  if (left.length === 0) return;
  log.warn({ options: left }, 'options have changed that need a restart; they stay as they were');
}

/** Whether there are calls of administrators at all is decided at the start. */
const isReloadable = (path: string, now: Config, next: Config): boolean =>
  RELOADABLE.has(path) &&
  (path !== 'http.admin_token' || (now.http.admin_token === '') === (next.http.admin_token === ''));

type Sections = Record<string, Record<string, unknown>>;

function optionOf(config: Config, path: string): unknown {
  const [section = '', key = ''] = path.split('.');
  return (config as unknown as Sections)[section]?.[key];
}

function setOption(config: Config, path: string, value: unknown): void {
  const [section = '', key = ''] = path.split('.');
  const options = (config as unknown as Sections)[section];
  if (options !== undefined) options[key] = value;
}
