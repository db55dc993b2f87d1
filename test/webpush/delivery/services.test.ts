import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import {
  createReceiverSecrets,
  decryptPush,
  type ReceiverSecrets,
} from '../../../src/cli/decrypt-push.ts';
import { systemClock } from '../../../src/clock.ts';
import { createLogger } from '../../../src/logging.ts';
import { createPushClient, type PushClient } from '../../../src/webpush/client/push-client.ts';
import { createDelivery } from '../../../src/webpush/delivery/create-delivery.ts';
import type { Delivery } from '../../../src/webpush/delivery/delivery.ts';
import { parseGuardPolicy } from '../../../src/webpush/guard/guard-policy.ts';
import { ResolveError } from '../../../src/webpush/guard/resolve-host.ts';
import { createVapidAuthorizer } from '../../../src/webpush/vapid/vapid-authorizer.ts';
import { createInlineEncryptor } from '../../../src/webpush/encryption/inline-encryptor.ts';
import { MemoryOutboxStore } from '../../support/memory-outbox-store.ts';
import { createTeardown } from '../../support/create-teardown.ts';
import { makeCertificates } from '../../support/make-certificates.ts';
import { makeVapidKey } from '../../support/make-vapid-key.ts';
import { MemorySubscriptionBook } from '../../support/memory-subscription-book.ts';
import {
  answerWith,
  startPushService,
  type Answer,
  type TestPushService,
  type TestPushServiceOptions,
} from '../../support/push-service.ts';

/**
 * What becomes of the push, how often it is sent at once (what is owed is sent again later), and whether
 * the subscription stays.
 */
interface Case {
  does: string;
  service: TestPushServiceOptions;
  push: 'delivered' | 'owed' | 'given up';
  requests: number;
  subscribed?: false;
  outcome: string;
  /** Host to send to instead of the service's address. */
  host?: string;
}

const TIMEOUT_MSECS = 2_000;
const PATIENCE_MSECS = 25_000;
const inADay = new Date(Date.now() + 3_600_000).toUTCString();
const headersDrip: Answer = (_response, _push, socket) => {
  const drip = setInterval(() => socket.write('H'), 50);
  socket.once('close', () => clearInterval(drip));
  socket.write('HTTP/1.1 201 Created\r\nX-');
};
const bodyDrip: Answer = (response, _push, socket) => {
  const drip = setInterval(() => response.write('x'), 50);
  socket.once('close', () => clearInterval(drip));
  response.writeHead(201);
};
const byStatus = (code: number, headers: Record<string, string> = {}): TestPushServiceOptions => ({
  answer: answerWith(code, headers),
});
const { untrusted, otherName } = makeCertificates();

const CASES: readonly Case[] = [
  ...[200, 201, 202, 204].map((code): Case => {
    const service = byStatus(code);
    return { does: `${code}`, service, push: 'delivered', requests: 1, outcome: 'accepted' };
  }),
  {
    does: '301',
    service: byStatus(301, { location: '/' }),
    push: 'given up',
    requests: 1,
    outcome: 'redirect',
  },
  { does: '400', service: byStatus(400), push: 'given up', requests: 1, outcome: 'bad-request' },
  { does: '401', service: byStatus(401), push: 'owed', requests: 2, outcome: 'unauthorized' },
  { does: '403', service: byStatus(403), push: 'owed', requests: 2, outcome: 'forbidden' },
  {
    does: '404',
    service: byStatus(404),
    push: 'given up',
    requests: 1,
    subscribed: false,
    outcome: 'not-found',
  },
  {
    does: '410',
    service: byStatus(410),
    push: 'given up',
    requests: 1,
    subscribed: false,
    outcome: 'gone',
  },
  { does: '413', service: byStatus(413), push: 'given up', requests: 3, outcome: 'too-large' },
  {
    does: '413 above 400 octets',
    service: {
      answer: (response, { body }) => void response.writeHead(body.length > 400 ? 413 : 201).end(),
    },
    push: 'delivered',
    requests: 2,
    outcome: 'accepted',
  },
  { does: '429', service: byStatus(429), push: 'owed', requests: 1, outcome: 'throttled' },
  {
    does: '429, seconds',
    service: byStatus(429, { 'retry-after': '60' }),
    ...{ push: 'owed', requests: 1, outcome: 'throttled' },
  },
  {
    does: '429, date',
    service: byStatus(429, { 'retry-after': inADay }),
    ...{ push: 'owed', requests: 1, outcome: 'throttled' },
  },
  { does: '406', service: byStatus(406), push: 'owed', requests: 1, outcome: 'throttled' },
  { does: '500', service: byStatus(500), push: 'owed', requests: 2, outcome: 'server-error' },
  { does: '503', service: byStatus(503), push: 'owed', requests: 2, outcome: 'server-error' },
  {
    does: '503, seconds',
    service: byStatus(503, { 'retry-after': '60' }),
    ...{ push: 'owed', requests: 1, outcome: 'throttled' },
  },
  { does: '507', service: byStatus(507), push: 'owed', requests: 2, outcome: 'server-error' },
  {
    does: 'hang',
    service: { answer: () => undefined },
    push: 'owed',
    requests: 1,
    outcome: 'timeout',
  },
  {
    does: 'drip of headers',
    service: { answer: headersDrip },
    push: 'delivered',
    requests: 1,
    outcome: 'accepted',
  },
  {
    does: 'drip of body',
    service: { answer: bodyDrip },
    push: 'delivered',
    requests: 1,
    outcome: 'accepted',
  },
  {
    does: 'reset',
    service: { answer: (response) => void response.destroy() },
    ...{ push: 'owed', requests: 1, outcome: 'reset' },
  },
  {
    does: "stranger's certificate",
    service: { tls: untrusted },
    push: 'owed',
    requests: 0,
    outcome: 'tls',
  },
  {
    does: 'certificate of another name',
    service: { tls: otherName },
    push: 'owed',
    requests: 0,
    outcome: 'tls',
  },
  {
    does: 'DNS failure',
    service: {},
    host: 'none.push.test',
    push: 'owed',
    requests: 0,
    outcome: 'dns',
  },
  {
    does: 'name of a private address',
    service: {},
    host: 'private.push.test',
    push: 'given up',
    requests: 0,
    outcome: 'guard',
  },
];

describe('delivery to push services of all kinds at the same time', () => {
  const book = new MemorySubscriptionBook();
  const store = new MemoryOutboxStore();
  const services: TestPushService[] = [];
  const took: number[] = [];
  let owed = new Set<string>();
  let client: PushClient;
  let delivery: Delivery;
  let secrets: ReceiverSecrets;
  const payload = JSON.stringify({
    subject: 'Hello',
    content: 'x'.repeat(500),
    uid: 7,
    uidvalidity: 1,
    folder: 'INBOX',
  });

  const teardown = createTeardown();
  before(async () => {
    secrets = await createReceiverSecrets();
    const keys = {
      p256dh: Buffer.from(secrets.publicPoint).toString('base64url'),
      auth: Buffer.from(secrets.auth).toString('base64url'),
    };
    const policy = parseGuardPolicy(['127.0.0.1']);
    client = createPushClient({
      timeoutMsecs: TIMEOUT_MSECS,
      policy,
      ca: [makeCertificates().ca],
      resolve: (host) =>
        host.startsWith('none')
          ? Promise.reject(new ResolveError('no', { cause: { code: 'ENOTFOUND' } }))
          : Promise.resolve([{ address: '10.0.0.1', family: 4 }]),
    });
    teardown.defer(() => client.close());
    const key = makeVapidKey();
    delivery = createDelivery({
      encryptor: createInlineEncryptor(),
      store,
      subscriptions: book,
      vapid: () => Promise.resolve(key),
      authorizer: createVapidAuthorizer({ subject: 'mailto:a@example.org', clock: systemClock }),
      client,
      policy,
      clock: systemClock,
      log: createLogger('silent'),
      metrics: {
        attempted: () => undefined,
        accepted: (_kind, seconds) => void took.push(seconds),
        dropped: () => undefined,
      },
      random: () => 0.5,
      options: { maxRetries: 1, timeoutMsecs: TIMEOUT_MSECS, padding: false, maxPushes: 1_000 },
    });
    await delivery.start();
    teardown.defer(() => delivery.stop(1_000));
    for (const [index, { service, host }] of CASES.entries()) {
      const server = await startPushService(service);
      services.push(server);
      teardown.defer(() => server.close());
      const endpoint = `https://${host ?? '127.0.0.1'}:${server.port}/push/${index}`;
      book.set('alice', `${index}`, { endpoint, keys });
    }
    const now = Date.now();
    await delivery.enqueue(
      CASES.map(({ host }, index) => ({
        user: 'alice',
        subscriptionId: `${index}`,
        endpoint: `https://${host ?? '127.0.0.1'}:${services[index]!.port}/push/${index}`,
        kind: 'message' as const,
        payload,
        urgency: 'normal' as const,
        createdAt: now,
        expiresAt: now + 3_600_000,
        dedupeKey: `${index}`,
      })),
    );
    const end = performance.now() + PATIENCE_MSECS;
    do {
      await new Promise((resolve) => setTimeout(resolve, 50));
      owed = new Set((await store.page(0, 100)).map(({ subscriptionId }) => subscriptionId));
    } while (performance.now() < end && !CASES.every(isOver));
  });

  const resultsOf = (index: number) => book.results.filter(({ id }) => id === `${index}`);
  const isOver = ({ push, outcome, requests }: Case, index: number): boolean =>
    resultsOf(index).at(-1)?.outcome === outcome &&
    services[index]!.pushes.length >= requests &&
    (push === 'owed') === owed.has(`${index}`);

  for (const [index, expected] of CASES.entries()) {
    const { does, push, requests, outcome } = expected;
    const stays = expected.subscribed ?? true;
    it(`${does}: ${push} after ${requests} requests, the subscription ${stays ? 'stays' : 'goes'}`, () => {
      const results = resultsOf(index);
      const sent = services[index]!.pushes.length;
      assert.equal(results.at(-1)?.outcome, outcome);
      assert.equal(
        results.some(({ delivered }) => delivered),
        push === 'delivered',
      );
      assert.equal(owed.has(`${index}`), push === 'owed');
      assert.ok(push === 'owed' ? sent >= requests : sent === requests, `${sent} requests`);
      assert.equal(book.has('alice', `${index}`), stays);
    });
  }

  it('sends what a user agent can read', async () => {
    const [{ body, headers }] = services[1]!.pushes as [TestPushService['pushes'][number]];
    const plaintext = await decryptPush(Uint8Array.from(body), secrets);
    assert.equal(new TextDecoder().decode(plaintext), payload);
    assert.match(headers.authorization ?? '', /^vapid t=[\w.-]+, k=[\w-]+$/);
    assert.equal(headers['content-encoding'], 'aes128gcm');
  });

  it('was not held up by those that hang', () => {
    const fast = took.toSorted((a, b) => a - b).slice(0, 4);
    assert.ok(Math.max(...fast) < TIMEOUT_MSECS / 1_000, `${String(fast)} s`);
  });
});
