import { LRUCache } from 'lru-cache';
import { createClassify, type Classify } from '../coi/classify.ts';
import { examineMessage } from '../coi/examine-message.ts';
import { createRestoreChats } from '../coi/restore-chats.ts';
import { readSettings } from '../coi/settings.ts';
import { createDoveadmAnnotations } from '../dovecot/doveadm-annotations.ts';
import { createActOnMailboxEvent } from '../events/act-on-mailbox-event.ts';
import { createCompleteEvents } from '../events/ox-road/complete-events.ts';
import { EventLogs } from '../events/event-logs.ts';
import { createFileLate } from '../events/file-late.ts';
import { createHandleTransaction, type HandleTransaction } from '../events/handle-transaction.ts';
import { createHeldTransactions, type HeldTransactions } from '../events/held-transactions.ts';
import { createIntake, type Intake } from '../events/intake.ts';
import { JournalWorker } from '../events/journal-worker.ts';
import { LogOwners } from '../events/log-owners.ts';
import { OldSpool } from '../events/old-spool.ts';
import { createInboxChat } from '../events/inbox-chat.ts';
import { createMarkChat } from '../events/mark-chat.ts';
import { createMoveChatMessages } from '../events/move-chat-messages.ts';
import { createOnNewMessages } from '../events/on-new-messages.ts';
import { createProbes, PROBE_USER, type Probes } from '../events/probes.ts';
import { createSetBlockedAside } from '../events/set-blocked-aside.ts';
import { writePayload } from '../events/write-payload.ts';
import { createFetchMessages } from '../messages/fetch-messages.ts';
import { createFetchOctets } from '../messages/fetch-octets.ts';
import { createListMessages, type ListMessages } from '../messages/list-messages.ts';
import { createLocateMessages } from '../messages/locate-messages.ts';
import { createChangeOwnEntries, type ChangeOwnEntries } from '../metadata/change-own-entries.ts';
import { createDoveadmSource } from '../metadata/doveadm-source.ts';
import { createGate, type Gate } from '../metadata/gate.ts';
import { createHttpNotify } from '../metadata/http-notify.ts';
import { dictSource, type MetadataSource } from '../metadata/metadata-source.ts';
import { createOwnEntries } from '../metadata/own-entries.ts';
import { createSendValidation } from '../webpush/validation/send-validation.ts';
import type { Domain } from './build-domain.ts';
import type { Ground } from './build-ground.ts';
import { buildOxRoad, type OxRoad } from './build-ox-road.ts';

/** Well within the deadline for classifying (see build-doors.ts): mail waits for this. */
const BLOCKED_WHILE_CLASSIFYING_MSECS = 500;

/** What one annotation, one message or one event sets in motion. */
export interface Flows {
  gate: Gate;
  source: MetadataSource;
  classify: Classify;
  intake: Intake;
  /** Handles what waits in the journal. */
  journal: JournalWorker;
  logs: EventLogs;
  oldSpool: OldSpool;
  held: HeldTransactions;
  probes: Probes;
  /** For how long the oldest event waits to be handled, in milliseconds; zero when none does. */
  oldestEventMsecs: () => Promise<number>;
  /** With `events.driver: ox` only. */
  ox: OxRoad | undefined;
}

export function buildFlows(ground: Ground, domain: Domain): Flows {
  const { log, metrics, clock, config } = ground;
  const { gate, source } = buildMetadata(ground, domain, (user) => void makeLogOf(user));
  domain.onRemoved((user) => {
    source
      .publish(user)
      .catch((error: unknown) => log.warn({ err: error, user }, 'cannot publish'));
  });

  const list = createListMessages(ground.doveadm);
  const probes = createProbes();
  const handleMail = buildTransactionHandler(ground, domain, source, list);
  const handle: HandleTransaction = async (transaction, receivedAt, isLive) => {
    if (!probes.take(transaction)) await handleMail(transaction, receivedAt, isLive);
  };
  const { makeLogOf, ...waiting } = buildWaiting(ground, handle);
  const { journal, logs } = waiting;
  const held = createHeldTransactions({ journal, log });
  const intake = createIntake({
    handle: async (transaction) => {
      const end = metrics.eventDuration.startTimer();
      await handle(transaction, clock.now(), true);
      end();
    },
    journal,
    hold: (transaction) => held.hold(transaction),
    log,
    onOverShare: () => metrics.eventsGivenUp.inc({ reason: 'over_share' }),
  });
  const take: Intake['take'] = (transaction) => {
    logs.note(transaction.uid);
    return intake.take(transaction);
  };
  metrics.onCollect(() => metrics.eventsWaiting.set(intake.waiting()));
  const ox =
    config.events.driver === 'ox'
      ? buildOxRoad(ground, domain, {
          ...{ source, list },
          keep: (transaction) => journal.write(transaction),
          take: (transaction) => intake.take(transaction),
        })
      : undefined;
  const classify = createClassify({
    settings: (user) => source.settings(user),
    isBlocked: (user, from) =>
      domain.blockedContacts.isBlocked(user, from, BLOCKED_WHILE_CLASSIFYING_MSECS),
    folders: domain.folders.names,
    recent: ground.recent,
    examine: examineMessage,
    ...(ox && { onFile: (...args) => ox.onFile(...args) }),
  });
  const guarded = probes.guard(classify);
  return {
    ...waiting,
    ...{ gate, source, classify: guarded, held, probes, ox },
    intake: { ...intake, take },
  };
}

/** What becomes of transactions that Dovecot does not wait for. */
function buildWaiting(
  { config, clock, clockWatch, doveadm, log, metrics, outbox, store, ...events }: Ground,
  handle: HandleTransaction,
): Pick<Flows, 'journal' | 'logs' | 'oldSpool' | 'oldestEventMsecs'> & {
  /** The log of the system user whom a user belongs to: there will be events. */
  makeLogOf: (user: string) => Promise<void>;
} {
  const { poll_interval: pollInterval } = config.spool;
  const worker = new JournalWorker({
    journal: outbox.journal,
    byToday: (noted) => clockWatch.byToday(noted),
    ...{ pollInterval, handle, clock, log },
    onGivenUp: (reason) => metrics.eventsGivenUp.inc({ reason }),
  });
  const owners = new LogOwners({ doveadm, clock });
  const logs = new EventLogs({
    ...{ directory: events.eventDirectory, positions: events.logPositions },
    ...{ journal: outbox.journal, worker, owners },
    systemUsers: () => owners.systemUsers(store.users()),
    ...{ pollInterval, clock, log },
    onLines: (result, count) => {
      metrics.logLines.inc({ result }, count);
      if (result !== 'taken') metrics.eventsGivenUp.inc({ reason: result }, count);
    },
  });
  const oldSpool = new OldSpool({
    ...{ dir: config.spool.dir, journal: outbox.journal, worker, pollInterval, clock, log },
    onFile: (result) => metrics.spoolFiles.inc({ result }),
  });
  const oldestEventMsecs = async (): Promise<number> => {
    const oldest = Math.min(logs.oldest(), await outbox.journal.oldest().catch(() => Infinity));
    return oldest === Infinity ? 0 : Math.max(0, clock.now() - oldest);
  };
  metrics.onCollect(async () => {
    metrics.eventsPending.set(worker.waiting());
    metrics.logUnread.set(logs.unread());
    metrics.logOldest.set((await oldestEventMsecs()) / 1_000);
  });
  /** Users of whom Dovecot has said which system user they belong to. */
  const known = new LRUCache<string, true>({ max: 10_000 });
  const makeLogOf = async (user: string): Promise<void> => {
    if (known.has(user)) return;
    for (const uid of await owners.systemUsers([user])) {
      logs.note(uid);
      known.set(user, true);
    }
  };
  return { journal: worker, logs, makeLogOf, oldSpool, oldestEventMsecs };
}

function buildMetadata(
  { config, store, doveadm, metrics, log, sleep }: Ground,
  { folders, subscriptions, vapidKeys, throttle, delivery }: Domain,
  onChange: (user: string) => void,
): Pick<Flows, 'gate' | 'source'> {
  const mailboxRoot = folders.names.root;
  const own = createOwnEntries({ store, subscriptions, vapidKeys, mailboxRoot });
  const changeOwn = createChangeOwnEntries({
    store,
    subscriptions,
    folders,
    sendValidation: createSendValidation(delivery),
    onTransition: (state) => metrics.transitions.inc({ state, cause: 'metadata' }),
  });
  const change: ChangeOwnEntries = async (user, ...changes) => {
    const result = await changeOwn(user, ...changes);
    onChange(user);
    return result;
  };
  const httpNotify = createHttpNotify({
    settings: (user) => readSettings(store, user),
    wantsPushes: async (user) => user === PROBE_USER || subscriptions.wantsAny(user),
  });
  const gate = createGate({
    ...{ store, own, change, throttle, log, sleep },
    httpNotify: config.events.driver === 'ox' ? httpNotify : undefined,
    onRefusal: (about) => metrics.refusals.inc({ about }),
  });
  const source =
    config.metadata.source === 'dict'
      ? dictSource(store)
      : createDoveadmSource({
          annotations: createDoveadmAnnotations(doveadm),
          ...{ store, own, change, log },
          cacheLifetime: config.webpush.cache_lifetime,
          onLookup: (result) => metrics.cacheLookups.inc({ cache: 'settings', result }),
          onRefused: (user) => throttle.refused(user),
        });
  return { gate, source };
}

function buildTransactionHandler(
  { config, store, doveadm, runMoves, doveadmSocket, recent, metrics, sleep, log }: Ground,
  { folders, ownOperations, blockedContacts, subscriptions, delivery }: Domain,
  source: MetadataSource,
  list: ListMessages,
) {
  const locate = createLocateMessages(list);
  const { restore, takeRestored } = createRestoreChats(folders);
  const move = createMoveChatMessages(runMoves, folders.names, restore);
  return createHandleTransaction({
    settings: (user) => source.settings(user),
    move,
    inboxChat: createInboxChat(doveadm),
    complete: createCompleteEvents({
      ...{ locate, list, log },
      wantsPushes: (user) => subscriptions.wantsAny(user),
    }),
    markChat: createMarkChat({ recent, locate, doveadm, log }),
    setBlockedAside: createSetBlockedAside({
      ...{ blockedContacts, folders, doveadm, runMoves, locate },
      onMoved: (count) => metrics.moves.inc({ reason: 'blocked' }, count),
    }),
    fileLate: createFileLate(locate, folders.names, move),
    onNewMessages: createOnNewMessages({
      recent,
      fetch: createFetchMessages({
        ...{ doveadm, log },
        fetchOctets: doveadmSocket && createFetchOctets(doveadmSocket),
      }),
      locate,
      targets: (user, isChat) => subscriptions.forMessage(user, isChat),
      payload: writePayload,
      enqueue: (pushes) => delivery.enqueue(pushes),
      ttl: config.webpush.message_ttl,
      log,
    }),
    isOwn: (user, event) => ownOperations.claim(user, event.event, event.mailbox),
    onMailboxEvent: createActOnMailboxEvent({
      ...{ store, folders, takeRestored, doveadm, runMoves, sleep, log },
      rules: {
        folders: folders.names,
        separator: config.coi.mailbox_separator,
        trash: config.coi.trash_mailboxes,
      },
      publish: (user) => source.publish(user),
      onTransition: (state) => metrics.transitions.inc({ state, cause: 'mailbox' }),
    }),
    onContactsChanged: (user) => blockedContacts.forget(user),
    onEvent: (event) => metrics.events.inc({ event }),
    onMoved: (reason, count) => metrics.moves.inc({ reason }, count),
  });
}
