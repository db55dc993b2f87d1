import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { createProbes } from '../../src/events/probes.ts';
import { BodyBudget } from '../../src/socket/body-budget.ts';
import { createHttpServer } from '../../src/http/create-http-server.ts';
import { adminRoutes } from '../../src/http/routes/admin.ts';
import { createExportAnnotations } from '../../src/metadata/transfer/export-annotations.ts';
import { createImportAnnotations } from '../../src/metadata/transfer/import-annotations.ts';
import { createForgetUser } from '../../src/metadata/forget-user.ts';
import { createUserAdministration } from '../../src/metadata/user-administration.ts';
import { NotFoundError } from '../../src/errors.ts';
import { createMetrics } from '../../src/metrics.ts';
import { createSealer } from '../../src/stores/seal.ts';
import { AbuseThrottle } from '../../src/webpush/subscriptions/abuse-throttle.ts';
import type {
  Delivery,
  FirstAttemptReport,
  ListedPush,
} from '../../src/webpush/delivery/delivery.ts';
import { createTestReceivers } from '../../src/webpush/guard/test-receivers.ts';
import { VapidKeys } from '../../src/webpush/vapid/vapid-keys.ts';
import { createHarness } from '../webpush/subscriptions/subscription-fixtures.ts';

export const ADMIN_TOKEN = 'an-admin-token-for-tests';
export const INBOX = '988a1835247b036b110a000083ecc375';

/** The admin routes over real domain objects in memory; only the delivery and Dovecot are stood in for. */
export function createAdminRig(source: 'dict' | 'doveadm' = 'dict') {
  const harness = createHarness({
    // As in src/app/build-domain.ts.
    onChange: (user, change) => {
      if (change === 'abandoned') throttle.refused(user);
    },
  });
  const { store, clock, subscriptions } = harness;
  const vapidKeys = new VapidKeys({
    ...{ store, clock, curve: 'prime256v1' },
    sealer: createSealer(undefined),
  });
  const throttle = new AbuseThrottle({
    clock,
    refusals: 2,
    pauseMsecs: 60_000,
    lockoutMsecs: 3_600_000,
  });
  const testReceivers = createTestReceivers(clock);
  const owed: ListedPush[] = [];
  const tested: { user: string; id: string; endpoint: string }[] = [];
  const published: string[] = [];
  const known = new Set<string>();
  const mailboxes = [{ mailbox: 'INBOX', guid: INBOX }];
  let forgotten = 0;
  let report: FirstAttemptReport = { verdict: 'accepted', reason: 'accepted', status: 201 };
  const delivery = {
    list: (after: number, limit: number) =>
      Promise.resolve(owed.filter(({ id }) => id > after).slice(0, limit)),
    levels: () => ({
      owed: owed.length,
      oldestAgeSeconds: 0,
      unsettled: 0,
      origins: { open: 0, failing: 0 },
      pausedResources: 0,
    }),
    drop: (id: number) => {
      const index = owed.findIndex((push) => push.id === id);
      if (index >= 0) owed.splice(index, 1);
      return Promise.resolve(index >= 0);
    },
  } as Partial<Delivery> as Delivery;
  const kept = {
    ...{ store, subscriptions, vapidKeys },
    listMailboxes: () => Promise.resolve(mailboxes),
  };
  const app: FastifyInstance = createHttpServer({
    bodies: new BodyBudget(256 * 1_048_576),
    monotonic: () => performance.now(),
    log: pino({ level: 'silent' }),
    token: 'the-token-of-dovecot',
    adminToken: ADMIN_TOKEN,
    intake: { take: () => Promise.resolve('done') },
    classify: () => Promise.resolve({ action: 'keep' }),
    probes: createProbes(),
    onMetadataCommand: () => undefined,
    checks: [],
    registry: createMetrics().registry,
    adminRoutes: adminRoutes({
      ...{ throttle, testReceivers, delivery, source },
      users: createUserAdministration({
        ...{ store, subscriptions, vapidKeys, throttle },
        publish: (user) => {
          published.push(user);
          return Promise.resolve();
        },
        sendTest: (user, id, endpoint) => {
          tested.push({ user, id, endpoint });
          return Promise.resolve(report);
        },
      }),
      forgetUser: createForgetUser({
        ...{ ...kept, throttle },
        listMailboxes: (user) =>
          known.has(user)
            ? Promise.resolve(mailboxes)
            : Promise.reject(new NotFoundError(`Dovecot knows no user ${user}`)),
        forgetPushes: () => Promise.resolve(2),
        forgetEvents: () => Promise.resolve(0),
        removeRawlogs: () => Promise.resolve(0),
        forgetCached: () => undefined,
        renewFilter: () => Promise.resolve(),
      }),
      importAnnotations: createImportAnnotations({
        ...kept,
        mailboxRoot: 'COI',
        now: () => clock.now(),
      }),
      exportAnnotations: createExportAnnotations(kept),
      forget: () => {
        forgotten += 1;
      },
    }),
  });

  async function call(method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, payload?: Buffer) {
    const response = await app.inject({
      ...{ method, url },
      headers: {
        authorization: `Bearer ${ADMIN_TOKEN}`,
        ...(payload && { 'content-type': 'application/octet-stream' }),
      },
      ...(payload && { payload }),
    });
    return {
      status: response.statusCode,
      octets: response.rawPayload,
      body:
        response.headers['content-type']?.startsWith('application/json') === true
          ? response.json<Record<string, unknown>>()
          : {},
    };
  }
  return {
    ...harness,
    ...{ app, call, vapidKeys, throttle, owed, tested, published },
    /** Users whom Dovecot knows, as far as forgetting is concerned. */
    known,
    forgotten: () => forgotten,
    answerTests: (next: FirstAttemptReport) => {
      report = next;
    },
  };
}
