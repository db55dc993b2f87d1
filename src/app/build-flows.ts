import { createClassify, type Classify } from '../coi/classify.ts';
import { examineMessage } from '../coi/examine-message.ts';
import { createRestoreChats } from '../coi/restore-chats.ts';
import { readSettings } from '../coi/settings.ts';
import { createDoveadmAnnotations } from '../dovecot/doveadm-annotations.ts';
import { createActOnMailboxEvent } from '../events/act-on-mailbox-event.ts';
import { createCompleteEvents } from '../events/ox-road/complete-events.ts';
import { createFileLate } from '../events/file-late.ts';
import { createHandleTransaction, type HandleTransaction } from '../events/handle-transaction.ts';
import { createHeldTransactions, type HeldTransactions } from '../events/held-transactions.ts';
import { createIntake, type Intake } from '../events/intake.ts';
import { createInboxChat } from '../events/inbox-chat.ts';
import { createMarkChat } from '../events/mark-chat.ts';
import { createMoveChatMessages } from '../events/move-chat-messages.ts';
import { createOnNewMessages } from '../events/on-new-messages.ts';
import { createProbes, PROBE_USER, type Probes } from '../events/probes.ts';
import { createSetBlockedAside } from '../events/set-blocked-aside.ts';
import { createSpool, type Spool } from '../events/spool.ts';
import { takeOverJournal } from '../events/take-over-journal.ts';
import { writePayload } from '../events/write-payload.ts';
import { createFetchMessages } from '../messages/fetch-messages.ts';
import { createFetchOctets } from '../messages/fetch-octets.ts';
import { createListMessages, type ListMessages } from '../messages/list-messages.ts';
import { createLocateMessages } from '../messages/locate-messages.ts';
import { createChangeOwnEntries } from '../metadata/change-own-entries.ts';
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
  spool: Spool;
  /** Takes over what an earlier process had taken in and not handled; before anything new comes. */
  resume: () => Promise<void>;
  held: HeldTransactions;
  probes: Probes;
  /** With `events.driver: ox` only. */
  ox: OxRoad | undefined;
}

export function buildFlows(ground: Ground, domain: Domain): Flows {
  const { log, metrics, clock, clockWatch, config } = ground;
  const { gate, source } = buildMetadata(ground, domain);
  domain.onRemoved((user) => {
    source
      .publish(user)
      .catch((error: unknown) => log.warn({ err: error, user }, 'cannot publish'));
  });

  const list = createListMessages(ground.doveadm);
  const probes = createProbes();
  const handleMail = buildTransactionHandler(ground, domain, source, list);
  const handle: HandleTransaction = async (transaction, receivedAt) => {
    if (!probes.take(transaction)) await handleMail(transaction, receivedAt);
  };
  const spool = createSpool({
    dir: config.spool.dir,
    pollInterval: config.spool.poll_interval,
    handle,
    clock,
    byToday: (noted) => clockWatch.byToday(noted),
    log,
    onFile: (result) => metrics.spoolFiles.inc({ result }),
  });
  metrics.onCollect(async () =>
    metrics.spoolPending.set(await spool.pending().catch(() => Number.NaN)),
  );
  const held = createHeldTransactions({ spool, log });
  const hold: HeldTransactions['hold'] = (transaction) => held.hold(transaction);
  const journal = ground.outbox;
  const intake = createIntake({
    handle: async (transaction) => {
      const end = metrics.eventDuration.startTimer();
      await handle(transaction, clock.now());
      end();
    },
    ...{ spool, journal, hold },
    now: () => clock.now(),
    log,
  });
  metrics.onCollect(() => metrics.eventsWaiting.set(intake.waiting()));
  const ox =
    config.events.driver === 'ox'
      ? buildOxRoad(ground, domain, {
          ...{ source, list },
          spool: (transaction) => spool.write(transaction),
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
  const resume = async (): Promise<void> => {
    const transactions = await takeOverJournal({ journal, spool, hold });
    if (transactions > 0) log.info({ transactions }, 'events are left from before');
  };
  const guarded = probes.guard(classify);
  return { gate, source, classify: guarded, intake, spool, resume, held, probes, ox };
}

function buildMetadata(
  { config, store, doveadm, metrics, log, sleep }: Ground,
  { folders, subscriptions, vapidKeys, throttle, delivery }: Domain,
): Pick<Flows, 'gate' | 'source'> {
  const mailboxRoot = folders.names.root;
  const own = createOwnEntries({ store, subscriptions, vapidKeys, mailboxRoot });
  const change = createChangeOwnEntries({
    store,
    subscriptions,
    folders,
    sendValidation: createSendValidation(delivery),
    onTransition: (state) => metrics.transitions.inc({ state, cause: 'metadata' }),
  });
  const httpNotify = createHttpNotify({
    settings: (user) => readSettings(store, user),
    wantsPushes: async (user, coiEnabled) =>
      user === PROBE_USER || subscriptions.wantsAny(user, coiEnabled),
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
  { config, store, doveadm, runMoves, doveadmSocket, recent, metrics, log }: Ground,
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
      ...{ locate, list },
      wantsPushes: (user, coiEnabled) => subscriptions.wantsAny(user, coiEnabled),
    }),
    markChat: createMarkChat({ recent, locate, doveadm, log }),
    setBlockedAside: createSetBlockedAside({
      ...{ folders, doveadm, runMoves },
      isBlocked: (...asked) => blockedContacts.isBlocked(...asked),
      onMoved: (count) => metrics.moves.inc({ reason: 'blocked' }, count),
    }),
    fileLate: createFileLate(list, folders.names, move),
    onNewMessages: createOnNewMessages({
      recent,
      fetch: createFetchMessages({
        ...{ doveadm, log },
        fetchOctets: doveadmSocket && createFetchOctets(doveadmSocket),
      }),
      locate,
      targets: (user, isChat, coiEnabled) => subscriptions.forMessage(user, { isChat, coiEnabled }),
      payload: writePayload,
      enqueue: (pushes) => delivery.enqueue(pushes),
      ttl: config.webpush.message_ttl,
    }),
    isOwn: (user, event) => ownOperations.claim(user, event.event, event.mailbox),
    onMailboxEvent: createActOnMailboxEvent({
      ...{ store, folders, takeRestored, doveadm, runMoves, log },
      rules: {
        folders: folders.names,
        separator: config.coi.mailbox_separator,
        trash: config.coi.trash_mailboxes,
      },
      publish: (user) => source.publish(user),
      onTransition: (state) => metrics.transitions.inc({ state, cause: 'mailbox' }),
    }),
    contacts: folders.names.contacts,
    onContactsChanged: (user) => blockedContacts.forget(user),
    onEvent: (event) => metrics.events.inc({ event }),
    onMoved: (reason, count) => metrics.moves.inc({ reason }, count),
  });
}
