import type { Clock, Sleep } from '../clock.ts';
import type { Config } from '../config/schema.ts';
import { createDoveadmClient, type DoveadmClient } from '../dovecot/doveadm-client.ts';
import { createDoveadmSocket, type DoveadmSocket } from '../dovecot/doveadm-socket.ts';
import type { Logger } from '../logging.ts';
import { createRecentMessages, type RecentMessages } from '../messages/recent-messages.ts';
import { createMetrics, type Metrics } from '../metrics.ts';
import { openStore } from '../stores/open-store.ts';
import type { OutboxStore } from '../stores/outbox-store.ts';
import { openSqliteOutboxStore } from '../stores/sqlite/sqlite-outbox-store.ts';
import type { Store } from '../stores/store.ts';

/** What everything stands on: configuration, state, Dovecot's API, time. */
export interface Ground {
  config: Config;
  clock: Clock;
  sleep: Sleep;
  log: Logger;
  metrics: Metrics;
  doveadm: DoveadmClient;
  doveadmSocket: DoveadmSocket | undefined;
  store: Store;
  outbox: OutboxStore;
  recent: RecentMessages;
  close(): Promise<void>;
}

/** A settled push is remembered for as long as Dovecot's script may report its message again. */
const REMEMBER_SETTLED_MSECS = 86_400_000;

/** @throws UnavailableError a store cannot be opened */
export async function buildGround(
  config: Config,
  log: Logger,
  clock: Clock,
  sleep: Sleep,
): Promise<Ground> {
  const metrics = createMetrics();
  const doveadm = createDoveadmClient({
    url: config.doveadm.url,
    apiKey: config.doveadm.api_key,
    timeout: config.doveadm.timeout,
    observe: (command, seconds, result) =>
      metrics.doveadmDuration.observe({ command, result }, seconds),
  });
  const { socket: path, timeout } = config.doveadm;
  const doveadmSocket = path === '' ? undefined : createDoveadmSocket({ path, timeout });
  const store = await openStore(config.store.url);
  const outbox = await openSqliteOutboxStore(config.outbox.path, {
    rememberMsecs: REMEMBER_SETTLED_MSECS,
    clock,
  }).catch(async (error: unknown) => {
    await store.close();
    throw error;
  });
  const recent = createRecentMessages({
    capacity: config.coi.recent_messages * 1_048_576,
    onLookup: (result) => metrics.cacheLookups.inc({ cache: 'messages', result }),
  });
  return {
    ...{ config, clock, sleep, log, metrics, doveadm, doveadmSocket, store, outbox, recent },
    close: async () => {
      await Promise.all([doveadm.close(), store.close(), outbox.close()]);
    },
  };
}
