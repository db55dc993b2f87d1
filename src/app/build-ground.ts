import { join } from 'node:path';
import { createClockWatch, type ClockWatch } from '../clock-watch.ts';
import type { Clock, Sleep } from '../clock.ts';
import { COI_PREFIX } from '../coi/settings.ts';
import { findOutbox } from '../config/find-outbox.ts';
import { forOption } from '../config/for-option.ts';
import type { Config } from '../config/schema.ts';
import { createDescriptorWatch, type DescriptorWatch } from '../descriptor-watch.ts';
import {
  openDoveadm,
  type DoveadmClient,
  type DoveadmClientOptions,
} from '../dovecot/doveadm-client.ts';
import { createDoveadmSocket, type DoveadmSocket } from '../dovecot/doveadm-socket.ts';
import { createRunMoves, MOVE_TIMEOUT_MSECS, type RunMoves } from '../dovecot/run-moves.ts';
import { KeyedMutex } from '../keyed-mutex.ts';
import type { Logger } from '../logging.ts';
import { createRecentMessages, type RecentMessages } from '../messages/recent-messages.ts';
import { createMetrics, type Metrics } from '../metrics.ts';
import { startAtZero } from './start-at-zero.ts';
import type { AnnotationLimits } from '../stores/annotation-limits.ts';
import { DamageWatch } from '../stores/damage-watch.ts';
import { addStoredUsers, noteUsers } from '../stores/note-users.ts';
import { openStore } from '../stores/open-store.ts';
import { EventDirectory } from '../events/event-directory.ts';
import { LogPositions } from '../events/log-positions.ts';
import { findUnixGroup } from '../socket/find-unix-group.ts';
import type { EventJournal } from '../stores/event-journal.ts';
import type { OutboxStore } from '../stores/outbox-store.ts';
import { openSqliteOutboxStore } from '../stores/sqlite/sqlite-outbox-store.ts';
import type { Store } from '../stores/store.ts';
import { UserFilter } from '../stores/user-filter.ts';
import { SUBSCRIPTION_PREFIX } from '../webpush/subscriptions/subscription-record.ts';

/** What everything stands on: configuration, state, Dovecot's API, time. */
export interface Ground {
  /** What of it may change while the service runs is in `reload.ts`, and asked for when it is needed. */
  config: Config;
  clock: Clock;
  clockWatch: ClockWatch;
  descriptorWatch: DescriptorWatch;
  sleep: Sleep;
  log: Logger;
  metrics: Metrics;
  doveadm: DoveadmClient;
  runMoves: RunMoves;
  doveadmSocket: DoveadmSocket | undefined;
  store: Store;
  /** What is stored and cannot be used. */
  damage: DamageWatch;
  /** What is owed: pushes, and transactions that wait to be handled. */
  outbox: OutboxStore & { readonly journal: EventJournal };
  /** Where mail processes leave events, and how far those were read. */
  eventDirectory: EventDirectory;
  logPositions: LogPositions;
  recent: RecentMessages;
  userFilter: UserFilter;
  /** Lets Dovecot know whose messages need not be reported, as far as that can be told. */
  publishFilter(): Promise<void>;
  /** The same, from the beginning: without those whom nothing is stored of any more. */
  renewFilter(): Promise<void>;
  close(): Promise<void>;
}

/** For so long an event is repeated that Dovecot refuses to have handled (src/events/journal-worker.ts) … */
const REPEATED_MSECS = 86_400_000;
/** … and the last time is somewhat later. */
const MARGIN_MSECS = 3_600_000;

/** Whoever has such keys may want to hear of new messages; nobody else can. */
const MATTERING = [COI_PREFIX, SUBSCRIPTION_PREFIX];

/**
 * @throws InvalidInputError, UnavailableError naming the option: a store cannot be opened, or there is no
 *   such group
 */
export async function buildGround(
  config: Config,
  log: Logger,
  clock: Clock,
  sleep: Sleep,
): Promise<Ground> {
  const clockWatch = createClockWatch(clock, log);
  const descriptorWatch = createDescriptorWatch(clock, log);
  const metrics = createMetrics();
  startAtZero(metrics);
  const observe: DoveadmClientOptions['observe'] = (command, seconds, result) => {
    metrics.doveadmRequests.inc({ command, result });
    metrics.doveadmDuration.observe({ command, result }, seconds);
  };
  const doveadm = openDoveadm(config.doveadm, { observe });
  const mover = openDoveadm(config.doveadm, {
    observe,
    timeout: Math.max(config.doveadm.timeout, MOVE_TIMEOUT_MSECS),
  });
  const { socket: path, timeout } = config.doveadm;
  const doveadmSocket = path === '' ? undefined : createDoveadmSocket({ path, timeout });
  const damage = new DamageWatch(log, () => clock.monotonic());
  metrics.onCollect(() => {
    for (const [kind, count] of Object.entries(damage.counts())) {
      metrics.damaged.set({ kind }, count);
    }
  });
  const { dir, group } = config.events;
  const groupId =
    group === '' ? undefined : await forOption('events.group', () => findUnixGroup(group));
  const eventDirectory = new EventDirectory({
    ...{ dir, groupId, log },
    onNewLog: (inode) => logPositions.begin(inode),
  });
  const userFilter = new UserFilter(join(dir, 'marks'), log, eventDirectory);
  const opened = await forOption('store.url', () =>
    openStore(config.store.url, {
      ...{ log, damage, limits: annotationLimits(config) },
      trustedUsers: config.store.trusted_users,
    }),
  );
  // Others may change what Dovecot's own dict or a shared store holds, unseen by this process.
  const seesAll = config.metadata.source === 'dict' && opened.kind === 'sqlite';
  const store = seesAll ? noteUsers(opened, userFilter, MATTERING) : opened;
  // What an earlier process left may be of another store; /readyz tells of what cannot be removed.
  await userFilter.remove().catch((error: unknown) => log.error({ err: error }));
  const outbox = await openOutbox(config, clock, damage, log).catch(async (error: unknown) => {
    await store.close();
    throw error;
  });
  const logPositions = new LogPositions(outbox.journal);
  const recent = createRecentMessages({
    capacity: config.coi.recent_messages * 1_048_576,
    onLookup: (result) => metrics.cacheLookups.inc({ cache: 'messages', result }),
  });
  let closed = false;
  async function publishFilter(): Promise<void> {
    try {
      await addStoredUsers(store, userFilter, MATTERING);
      await userFilter.publish();
    } catch (error) {
      if (!closed) log.warn({ err: error }, 'cannot tell Dovecot whose mail matters');
    }
  }
  // One after the other: what one has not added yet, another may not publish.
  const filterTurns = new KeyedMutex();

  return {
    ...{
      config,
      clock,
      clockWatch,
      descriptorWatch,
      sleep,
      log,
      metrics,
      doveadm,
      doveadmSocket,
      store,
      damage,
    },
    runMoves: createRunMoves(mover),
    ...{ outbox, recent, userFilter, eventDirectory, logPositions },
    publishFilter: async () => {
      if (seesAll) await filterTurns.run('', publishFilter);
    },
    renewFilter: async () => {
      if (!seesAll) return;
      await filterTurns.run('', async () => {
        await userFilter.clear();
        await publishFilter();
      });
    },
    close: async () => {
      closed = true;
      await Promise.all([doveadm.close(), mover.close(), store.close(), outbox.close()]);
    },
  };
}

const annotationLimits = ({ metadata }: Config): AnnotationLimits => ({
  own: { entries: metadata.entry_limit, octets: metadata.octet_limit },
  shared: { entries: metadata.shared_entry_limit, octets: metadata.shared_octet_limit },
});

async function openOutbox(
  config: Config,
  clock: Clock,
  damage: DamageWatch,
  log: Logger,
): Promise<Ground['outbox']> {
  const { path, note } = findOutbox(config);
  if (note !== undefined) log.warn(note);
  return forOption('outbox.path', () =>
    openSqliteOutboxStore(path, {
      // What is reported again later than that is not worth sending: its time is over.
      rememberMsecs: Math.max(REPEATED_MSECS, config.webpush.message_ttl) + MARGIN_MSECS,
      ...{ clock, damage },
    }),
  );
}
