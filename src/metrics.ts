import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/**
 * How often the event loop's lag is measured. The usual 10 ms are most of what an idle service costs;
 * what matters is a lag of half a second, and one that is shorter than this shows as this.
 */
const LAG_PRECISION_MSECS = 50;

/** From a fast dict lookup to a push service at its deadline. */
const DURATION_BUCKETS = [
  0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];
/** From a push that left at once to one that waited a day for its push service. */
const LATENCY_BUCKETS = [0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 30, 300, 3_600, 86_400];

/**
 * All metrics of the service, in the order in which a message meets them. Label values come from
 * small closed sets: never a user, a mailbox or a push endpoint.
 */
export function createMetrics(registry = new Registry()) {
  const registers = [registry];
  collectDefaultMetrics({
    register: registry,
    eventLoopMonitoringPrecision: LAG_PRECISION_MSECS,
  });
  const readers: (() => void | Promise<void>)[] = [];
  let reading: Promise<unknown> | undefined;
  /** Gauges are collected side by side; the first one has all of them read. */
  const collect = async (): Promise<void> => {
    reading ??= Promise.all(readers.map(async (read) => read())).finally(() => {
      reading = undefined;
    });
    await reading;
  };
  return {
    registry,
    /** Has gauges brought up to date whenever Prometheus asks. */
    onCollect: (read: () => void | Promise<void>): void => void readers.push(read),

    buildInfo: new Gauge({
      name: 'coi_build_info',
      help: 'Always 1; which version runs, and on which Node.',
      labelNames: ['version', 'node'],
      registers,
    }),
    ready: new Gauge({
      name: 'coi_ready',
      help: 'Whether what GET /readyz looks at is ready (1) or not (0), by check.',
      labelNames: ['check'],
      registers,
      collect,
    }),
    problems: new Gauge({
      name: 'coi_problem',
      help: 'Whether a problem is there (1) or not (0): the judgement that the status page shows.',
      labelNames: ['problem', 'severity'],
      registers,
      collect,
    }),

    events: new Counter({
      name: 'coi_events_total',
      help: 'Dovecot events taken in, by event.',
      labelNames: ['event'],
      registers,
    }),
    eventDuration: new Histogram({
      name: 'coi_event_duration_seconds',
      help: 'Time to handle the events of one transaction, until the pushes they cause are owed.',
      buckets: DURATION_BUCKETS,
      registers,
    }),
    eventsWaiting: new Gauge({
      name: 'coi_events_waiting',
      help: 'Events that are being handled for the first time; those in coi_events_pending are not among them.',
      registers,
      collect,
    }),
    spoolFiles: new Counter({
      name: 'coi_spool_files_total',
      help: 'Files of a spool directory of before, by result (taken, rejected, over_share).',
      labelNames: ['result'],
      registers,
    }),
    eventsPending: new Gauge({
      name: 'coi_events_pending',
      help: 'Transactions that wait in the journal to be handled.',
      registers,
      collect,
    }),
    eventsGivenUp: new Counter({
      name: 'coi_events_given_up_total',
      help: 'Transactions that will never be handled, by reason (refused: by Dovecot, for a day or for lack of such a user; damaged; oversized; foreign: not of the system user in whose log it stands; over_share: too many wait for their user).',
      labelNames: ['reason'],
      registers,
    }),
    logLines: new Counter({
      name: 'coi_event_log_lines_total',
      help: 'Lines of the event logs, by result (taken, damaged, oversized, foreign, over_share).',
      labelNames: ['result'],
      registers,
    }),
    logUnread: new Gauge({
      name: 'coi_event_log_unread_octets',
      help: 'Octets in the event logs that were not taken in yet.',
      registers,
      collect,
    }),
    logOldest: new Gauge({
      name: 'coi_event_log_oldest_seconds',
      help: 'For how long the oldest event waits, in a log or in the journal; zero when none does.',
      registers,
      collect,
    }),

    classifications: new Counter({
      name: 'coi_classifications_total',
      help: 'Messages classified before delivery, by road (socket, http) and answer (keep, flag, file, block, failed).',
      labelNames: ['road', 'answer'],
      registers,
    }),
    classifyDuration: new Histogram({
      name: 'coi_classify_duration_seconds',
      help: 'Time to classify one message, from its last octet to the answer.',
      buckets: DURATION_BUCKETS,
      registers,
    }),
    moves: new Counter({
      name: 'coi_message_moves_total',
      help: 'Messages moved after delivery, by reason: chat to Chats (late; seen, which counts all messages that were read in INBOX under that filter), mail of blocked contacts to Blocked (blocked).',
      labelNames: ['reason'],
      registers,
    }),
    transitions: new Counter({
      name: 'coi_transitions_total',
      help: 'Times COI was enabled or disabled, by state and by cause (metadata, mailbox).',
      labelNames: ['state', 'cause'],
      registers,
    }),

    dictCommands: new Counter({
      name: 'coi_dict_commands_total',
      help: 'Dict commands answered, by command and result (ok, missing, refused, failed).',
      labelNames: ['command', 'result'],
      registers,
    }),
    dictDuration: new Histogram({
      name: 'coi_dict_duration_seconds',
      help: 'Time to answer one dict command.',
      labelNames: ['command'],
      buckets: DURATION_BUCKETS,
      registers,
    }),
    refusals: new Counter({
      name: 'coi_annotation_refusals_total',
      help: 'Annotations refused, by what they were about (config, subscription, validation, vapid, throttle).',
      labelNames: ['about'],
      registers,
    }),
    throttled: new Gauge({
      name: 'coi_throttled_users',
      help: 'Users whose subscriptions are refused for a time because of repeated refusals.',
      registers,
      collect,
    }),

    doveadmRequests: new Counter({
      name: 'coi_doveadm_requests_total',
      help: 'Requests to the doveadm API, by first command and result (ok, refused, failed).',
      labelNames: ['command', 'result'],
      registers,
    }),
    doveadmDuration: new Histogram({
      name: 'coi_doveadm_duration_seconds',
      help: 'Time of doveadm API requests, by first command and result (ok, refused, failed).',
      labelNames: ['command', 'result'],
      buckets: DURATION_BUCKETS,
      registers,
    }),
    cacheLookups: new Counter({
      name: 'coi_cache_lookups_total',
      help: 'Cache lookups, by cache and result (hit, miss).',
      labelNames: ['cache', 'result'],
      registers,
    }),

    subscriptions: new Counter({
      name: 'coi_subscriptions_total',
      help: 'What became of subscriptions (registered, validated, removed, expired, unsent, abandoned, refused).',
      labelNames: ['change'],
      registers,
    }),
    pushes: new Counter({
      name: 'coi_pushes_total',
      help: 'Push attempts, by kind (message, validation, test) and outcome.',
      labelNames: ['kind', 'outcome'],
      registers,
    }),
    pushDuration: new Histogram({
      name: 'coi_push_duration_seconds',
      help: 'Time of one push request, from building it to the answer.',
      buckets: DURATION_BUCKETS,
      registers,
    }),
    pushLatency: new Histogram({
      name: 'coi_push_latency_seconds',
      help: 'Time from the event until the push service accepted the push.',
      buckets: LATENCY_BUCKETS,
      registers,
    }),
    outboxDepth: new Gauge({
      name: 'coi_outbox_pushes',
      help: 'Pushes that are owed.',
      registers,
      collect,
    }),
    outboxAge: new Gauge({
      name: 'coi_outbox_oldest_age_seconds',
      help: 'Age of the oldest push that is owed; zero when none is.',
      registers,
      collect,
    }),
    unsettled: new Gauge({
      name: 'coi_push_unsettled',
      help: 'Pushes that are done and that the outbox cannot let go of yet; if the service ends now, they are sent again.',
      registers,
      collect,
    }),
    outboxDropped: new Counter({
      name: 'coi_outbox_dropped_total',
      help: 'Owed pushes that were never delivered, by reason (expired, overflow, gone, refused, admin).',
      labelNames: ['reason'],
      registers,
    }),
    damaged: new Gauge({
      name: 'coi_damaged',
      help: 'What is stored and cannot be used, by kind: users cut off within the last hour; records and pushes overlooked; files set aside.',
      labelNames: ['kind'],
      registers,
      collect,
    }),
    origins: new Gauge({
      name: 'coi_push_origins',
      help: 'Push services with owed pushes, by state (open: pushes go out; failing: pushes of several users failed in a row, and only probes go out).',
      labelNames: ['state'],
      registers,
      collect,
    }),
    attemptsExceeded: new Counter({
      name: 'coi_attempt_budget_exceeded_total',
      help: 'Subscriptions refused because too many validation pushes were never validated, by budget (user: abuse.attempts; host: abuse.host_attempts).',
      labelNames: ['budget'],
      registers,
    }),
    pausedResources: new Gauge({
      name: 'coi_push_resources_paused',
      help: 'Subscriptions with owed pushes whose push resource asked for a pause (429, 406 or 503 with Retry-After).',
      registers,
      collect,
    }),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
