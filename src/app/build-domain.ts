import { createBlockedContacts, type BlockedContacts } from '../coi/blocked-contacts.ts';
import { createFolders, folderNames, type Folders } from '../coi/folders.ts';
import { createOwnOperations, type OwnOperations } from '../coi/own-operations.ts';
import { createReadBlockedHashes } from '../coi/read-blocked-hashes.ts';
import { forOption } from '../config/for-option.ts';
import type { Config } from '../config/schema.ts';
import { createSayRarely } from '../logging.ts';
import { createSealer } from '../stores/seal.ts';
import { AttemptBudget } from '../webpush/subscriptions/attempt-budget.ts';
import { AbuseThrottle } from '../webpush/subscriptions/abuse-throttle.ts';
import { parseProxyUrl } from '../webpush/client/parse-proxy-url.ts';
import {
  createPushClient,
  type AdaptablePushClient,
  type PushClientOptions,
} from '../webpush/client/push-client.ts';
import { readCaFile } from '../webpush/client/read-ca-file.ts';
import type { PushEncryptor } from '../webpush/encryption/push-encryptor.ts';
import { createThreadedEncryptor } from '../webpush/encryption/threaded-encryptor.ts';
import { createDelivery } from '../webpush/delivery/create-delivery.ts';
import type { Delivery } from '../webpush/delivery/delivery.ts';
import { createRecentAttempts, type RecentAttempts } from '../webpush/delivery/recent-attempts.ts';
import { parseGuardPolicy, type GuardPolicy } from '../webpush/guard/guard-policy.ts';
import { judgeEndpoint } from '../webpush/guard/judge-endpoint.ts';
import { createTestReceivers, type TestReceivers } from '../webpush/guard/test-receivers.ts';
import { createRawlog, type Rawlog } from '../webpush/rawlog/create-rawlog.ts';
import { checkRawlogDir } from '../webpush/rawlog/rawlog-dir.ts';
import { Subscriptions } from '../webpush/subscriptions/subscriptions.ts';
import { checkVapidSubject } from '../webpush/vapid/check-vapid-subject.ts';
import { createVapidAuthorizer } from '../webpush/vapid/vapid-authorizer.ts';
import { VapidKeys } from '../webpush/vapid/vapid-keys.ts';
import { bindDeliveryMetrics } from './bind-delivery-metrics.ts';
import type { Ground } from './build-ground.ts';

/** The rules of the two specifications, at work on the ground. */
export interface Domain {
  folders: Folders;
  ownOperations: OwnOperations;
  blockedContacts: BlockedContacts;
  subscriptions: Subscriptions;
  vapidKeys: VapidKeys;
  throttle: AbuseThrottle;
  testReceivers: TestReceivers;
  client: AdaptablePushClient;
  encryptor: PushEncryptor;
  rawlog: Rawlog | undefined;
  delivery: Delivery;
  /** For the status page. */
  attempts: RecentAttempts;
  /** Has a user told of who changed subscriptions behind the clients' backs. */
  onRemoved(listener: (user: string) => void): void;
}

/** @throws InvalidInputError an option is refused by the part that it is for */
export async function buildDomain(ground: Ground): Promise<Domain> {
  const { config, clock, log, metrics, doveadm, store, outbox } = ground;
  const { webpush } = config;
  if (webpush.vapid_subject !== '') checkVapidSubject(webpush.vapid_subject);
  const testReceivers = createTestReceivers(clock);
  const policy = testReceivers.extend(parseGuardPolicy(webpush.allow_private_endpoints));
  const { mailbox_root: root, mailbox_separator: separator, blocked_mailbox: blocked } = config.coi;
  const names = folderNames(root, separator, blocked);
  const ownOperations = createOwnOperations();
  const blockedContacts = createBlockedContacts({
    read: createReadBlockedHashes(doveadm, names),
    lifetime: config.coi.contacts_lifetime,
    ...{ clock, log },
    onLookup: (result) => metrics.cacheLookups.inc({ cache: 'contacts', result }),
  });

  const throttle = new AbuseThrottle({
    clock,
    refusals: config.abuse.refusals,
    pauseMsecs: config.abuse.pause,
    lockoutMsecs: config.abuse.lockout,
    onLift: (user) => liftAttempts(user),
  });
  const sayRarely = createSayRarely(600_000, () => clock.monotonic());
  const budget = new AttemptBudget({
    clock,
    perUser: config.abuse.attempts,
    perHost: config.abuse.host_attempts,
    periodMsecs: config.abuse.period,
    onExceeded: (which, user, host) => {
      metrics.attemptsExceeded.inc({ budget: which });
      sayRarely(which === 'user' ? `user ${user}` : `host ${host}`, (again) => {
        const facts = { budget: which, user, host, ...again };
        log.warn(facts, 'too many validation pushes were never validated');
      });
    },
  });
  metrics.onCollect(() => metrics.throttled.set(throttle.snapshot().length));

  let tellRemoved = (_user: string): void => undefined;
  const subscriptions = new Subscriptions({
    store,
    clock,
    log,
    limit: webpush.subscription_limit,
    expireMsecs: webpush.subscription_expire,
    judgeEndpoint: (endpoint) => {
      const verdict = judgeEndpoint(endpoint, policy);
      return verdict.allowed ? undefined : verdict.reason;
    },
    budget,
    onDamaged: (user, key) => ground.damage.noteRecord(user, key),
    onChange: (user, change, endpoint) => {
      metrics.subscriptions.inc({ change });
      if (STRIKES.has(change)) throttle.refused(user, endpoint);
      if (change === 'validated') throttle.validated(user, endpoint);
      if (['removed', 'expired', 'unsent', 'refused'].includes(change)) tellRemoved(user);
    },
  });
  const liftAttempts = (user: string): boolean => {
    const lifted = budget.lift(user);
    // Off the disk as well; failing that, with the user's next change.
    if (lifted) subscriptions.transact(user, (_plan, commit) => commit()).catch(() => undefined);
    return lifted;
  };
  const sealer = await forOption('store.key_file', () =>
    createSealer(config.store.key_file === '' ? undefined : config.store.key_file),
  );
  const vapidKeys = new VapidKeys({ store, sealer, curve: webpush.vapid_curve, clock });
  await checkRawlogDir(webpush.rawlog_dir);
  const rawlog = webpush.rawlog_dir === '' ? undefined : createRawlog(webpush.rawlog_dir, log);
  const attempts = createRecentAttempts(() => clock.now());
  const client = await buildPushClient(webpush, policy, rawlog, ground);
  const encryptor = createThreadedEncryptor();
  const delivery = createDelivery({
    store: outbox,
    subscriptions,
    vapid: (user) => vapidKeys.get(user),
    authorizer: createVapidAuthorizer({
      get subject() {
        return webpush.vapid_subject;
      },
      clock,
    }),
    ...{ encryptor, client },
    policy,
    clock,
    metrics: bindDeliveryMetrics(metrics, () => delivery.levels()),
    onAttempt: (attempt) => attempts.note(attempt),
    log,
    options: {
      maxRetries: webpush.max_retries,
      timeoutMsecs: webpush.timeout_msecs,
      padding: webpush.padding,
      maxPushes: config.outbox.limit,
    },
  });
  return {
    folders: createFolders(doveadm, names, ownOperations),
    ...{ ownOperations, blockedContacts, subscriptions, vapidKeys, throttle, testReceivers },
    ...{ client, encryptor, rawlog, delivery, attempts },
    onRemoved: (listener) => {
      tellRemoved = listener;
    },
  };
}

/**
 * Each of these has cost a push that nobody validated (webpush-spec, "Security Considerations").
 * `refused` is not among them: it is answered with NO, and each NO counts already. Nor is `unsent`:
 * the user can do nothing about a push service that is down.
 */
const STRIKES: ReadonlySet<string> = new Set(['expired', 'abandoned']);

async function buildPushClient(
  webpush: Config['webpush'],
  policy: GuardPolicy,
  rawlog: Rawlog | undefined,
  { clock }: Ground,
): Promise<AdaptablePushClient> {
  return createPushClient({
    timeoutMsecs: webpush.timeout_msecs,
    answerMsecs: webpush.answer_timeout_msecs,
    ...{ ...(await readConnections(webpush)), policy, clock },
    ...(rawlog && { onExchange: (exchange) => rawlog.write(exchange) }),
  });
}

/** By which proxy pushes leave, and whose certificates are trusted. @throws InvalidInputError */
export const readConnections = async (
  webpush: Config['webpush'],
): Promise<Pick<PushClientOptions, 'proxy' | 'ca'>> => ({
  proxy: parseProxyUrl({
    url: webpush.proxy_url,
    username: webpush.proxy_username,
    password: webpush.proxy_password,
    trustedUsers: webpush.proxy_trusted_users,
  }),
  ca: await readCaFile(webpush.ca_file),
});
