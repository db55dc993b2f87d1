/**
 * Sending pushes to local TLS services, against web-push's sendNotification as it comes: one origin and
 * fifty, so many in flight at a time. Ours goes through all of the engine, the durable outbox included:
 * each push is on disk before it is sent. The same engine over an outbox in memory shows what that costs,
 * and encryption and HTTP client by themselves what no engine could be faster than.
 *
 *   node test/bench/push-sending.ts [--quick]
 *
 * The services run in a process of their own. Rounds alternate; the ratio is that of neighbours. CPU is
 * that of this process with all its threads, and hardly depends on what else the machine does.
 */
import { createECDH, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { globalAgent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import webpush from 'web-push';
import { systemClock } from '../../src/clock.ts';
import { createLogger } from '../../src/logging.ts';
import type { OutboxStore } from '../../src/stores/outbox-store.ts';
import { openSqliteOutboxStore } from '../../src/stores/sqlite/sqlite-outbox-store.ts';
import { createPushClient, type PushClient } from '../../src/webpush/client/push-client.ts';
import { createDelivery } from '../../src/webpush/delivery/create-delivery.ts';
import { createThreadedEncryptor } from '../../src/webpush/encryption/threaded-encryptor.ts';
import { parseGuardPolicy } from '../../src/webpush/guard/guard-policy.ts';
import { buildPushRequest } from '../../src/webpush/request/build-push-request.ts';
import type { SubscriptionBook } from '../../src/webpush/subscriptions/subscription-book.ts';
import { createVapidAuthorizer } from '../../src/webpush/vapid/vapid-authorizer.ts';
import { MemoryOutboxStore } from '../support/memory-outbox-store.ts';
import { makeVapidKey } from '../support/make-vapid-key.ts';
import { atLeast, atMost, median, runAlone, type Bench, type BenchRow } from './bench.ts';
import { startPushTargets } from './push-targets.ts';

const SUBJECT = 'mailto:postmaster@example.org';
const PAYLOAD = JSON.stringify({
  subject: 'Chat: Hello',
  content: 'How are you? '.repeat(40),
  uid: 7,
});
const ORIGINS = 50;
const IN_FLIGHT = [1, 16, 128];
/** Pushes before the first that count. */
const WARM_UP = 4_000;

const ecdh = createECDH('prime256v1');
const keys = {
  p256dh: ecdh.generateKeys('base64url'),
  auth: randomBytes(16).toString('base64url'),
};

/** Sends one push for the `lane`th of those who send at a time, and resolves when it was accepted. */
type Sender = (lane: number, endpoint: string) => Promise<unknown>;

interface Candidate {
  send: Sender;
  close: () => Promise<void>;
}

function webPush(ca: string): Candidate {
  const vapidDetails = { subject: SUBJECT, ...webpush.generateVAPIDKeys() };
  globalAgent.options.ca = ca;
  return {
    send: (_lane, endpoint) =>
      webpush.sendNotification({ endpoint, keys }, PAYLOAD, { vapidDetails, TTL: 60 }),
    close: () => {
      globalAgent.destroy();
      return Promise.resolve();
    },
  };
}

const policy = parseGuardPolicy(['127.0.0.1']);
const limit = Math.max(...IN_FLIGHT);

const createClient = (ca: string): PushClient =>
  createPushClient({ timeoutMsecs: 10_000, policy, ca: [ca], connectionsPerOrigin: limit });

/** What every push takes: it is encrypted, and its request sent. */
function bare(ca: string): Candidate {
  const client = createClient(ca);
  const encryptor = createThreadedEncryptor();
  const key = makeVapidKey();
  const authorizer = createVapidAuthorizer({ subject: SUBJECT, clock: systemClock });
  return {
    send: async (lane, endpoint) => {
      const url = new URL(endpoint);
      const body = await encryptor.encrypt(PAYLOAD, keys, false);
      const authorization = authorizer.authorize(key, url.origin);
      const parts = { url, target: url.pathname, body, authorization } as const;
      const request = buildPushRequest({ ...parts, ttlSeconds: 60, urgency: 'normal' });
      const result = await client.send(request, `user${lane}`);
      if (result.kind !== 'response' || result.status !== 201) throw new Error(result.kind);
    },
    close: async () => {
      await client.close();
      await encryptor.close();
    },
  };
}

async function ours(ca: string, store: OutboxStore): Promise<Candidate> {
  const client = createClient(ca);
  const waiting = new Map<string, () => void>();
  const subscriptions: SubscriptionBook = {
    resource: (_user, _id, endpoint) => Promise.resolve({ endpoint, keys }),
    remove: () => Promise.resolve(),
    validationSent: () => Promise.resolve(),
    history: () => Promise.resolve({ successes: 1, failuresInARow: 0 }),
    record: (user, _id, _endpoint, { delivered, outcome }) => {
      if (!delivered) throw new Error(outcome);
      waiting.get(user)?.();
    },
  };
  const key = makeVapidKey();
  const encryptor = createThreadedEncryptor();
  const delivery = createDelivery({
    encryptor,
    ...{ store, subscriptions, client, policy, clock: systemClock, log: createLogger('error') },
    vapid: () => Promise.resolve(key),
    authorizer: createVapidAuthorizer({ subject: SUBJECT, clock: systemClock }),
    metrics: { attempted: () => undefined, accepted: () => undefined, dropped: () => undefined },
    options: {
      ...{ maxRetries: 1, timeoutMsecs: 10_000, padding: false, maxPushes: 100_000 },
      ...{ originLimit: limit, totalLimit: limit },
    },
  });
  await delivery.start();
  let count = 0;
  return {
    send: async (lane, endpoint) => {
      const user = `user${lane}`;
      const accepted = new Promise<void>((resolve) => waiting.set(user, resolve));
      const createdAt = Date.now();
      await delivery.enqueue([
        {
          ...{ user, subscriptionId: 'bench', endpoint, kind: 'message', payload: PAYLOAD },
          ...{ urgency: 'normal', createdAt, expiresAt: createdAt + 60_000 },
          dedupeKey: `${(count += 1)}`,
        },
      ]);
      await accepted;
    },
    close: async () => {
      await delivery.stop(5_000);
      await client.close();
      await encryptor.close();
      await store.close();
    },
  };
}

export const benchPushSending: Bench = async ({ quick }) => {
  const targets = await startPushTargets(ORIGINS);
  const dir = mkdtempSync(join(tmpdir(), 'push-bench-'));
  const outbox = await openSqliteOutboxStore(join(dir, 'outbox.db'), { rememberMsecs: 60_000 });
  const candidates: Candidates = {
    theirs: webPush(targets.ca),
    ours: await ours(targets.ca, outbox),
    memory: await ours(targets.ca, new MemoryOutboxStore({ rememberMsecs: 60_000 })),
    bare: bare(targets.ca),
  };
  const all = Object.values(candidates);
  const rows: BenchRow[] = [];
  try {
    // A service runs for weeks: what it compiles in its first minute is not counted.
    const first = (turn: number): string => `${targets.origins[turn % ORIGINS] ?? ''}/send/warm-up`;
    for (const { send } of all) await exercise(send, WARM_UP, limit, first);
    for (const origins of [1, ORIGINS]) {
      for (const inFlight of IN_FLIGHT) {
        const pushes = (quick ? 100 : 600) * (inFlight === 1 ? 1 : 3);
        const endpoint = (turn: number): string =>
          `${targets.origins[turn % origins] ?? ''}/send/0123456789abcdef`;
        const compared = await compare(candidates, quick ? 3 : 7, (send) =>
          exercise(send, pushes, inFlight, endpoint),
        );
        const where = `${origins === 1 ? 'one origin' : `${origins} origins`}, ${inFlight} in flight`;
        rows.push(...toRows(where, compared));
      }
    }
    return rows;
  } finally {
    for (const { close } of all) await close();
    targets.close();
    rmSync(dir, { recursive: true });
  }
};

interface Sample {
  /** Pushes a second. */
  rate: number;
  /** Milliseconds of CPU a push. */
  cpu: number;
}

type Candidates = Record<'theirs' | 'ours' | 'memory' | 'bare', Candidate>;

type Compared = Record<keyof Candidates, Sample>;

async function compare(
  candidates: Candidates,
  rounds: number,
  run: (send: Sender) => Promise<Sample>,
): Promise<Compared[]> {
  const samples: Compared[] = [];
  for (let round = -1; round < rounds; round += 1) {
    const sample = {
      theirs: await run(candidates.theirs.send),
      ours: await run(candidates.ours.send),
      memory: await run(candidates.memory.send),
      bare: await run(candidates.bare.send),
    };
    if (round >= 0) samples.push(sample);
  }
  return samples;
}

/** `pushes` of them, `inFlight` at a time. */
async function exercise(
  send: Sender,
  pushes: number,
  inFlight: number,
  endpoint: (turn: number) => string,
): Promise<Sample> {
  let turn = 0;
  const cpu = process.cpuUsage();
  const started = performance.now();
  const lane = async (index: number): Promise<void> => {
    while (turn < pushes) await send(index, endpoint(turn++));
  };
  await Promise.all(Array.from({ length: inFlight }, (_, index) => lane(index)));
  const elapsed = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  return { rate: (pushes / elapsed) * 1_000, cpu: (user + system) / 1_000 / pushes };
}

function toRows(where: string, samples: readonly Compared[]): BenchRow[] {
  const of = (pick: (sample: Compared) => number): number => median(samples.map(pick));
  const durability = 100 * of((sample) => 1 - sample.ours.rate / sample.memory.rate);
  return [
    { name: `web-push, ${where}`, value: of(({ theirs }) => theirs.rate), unit: 'pushes/s' },
    {
      name: `encryption and HTTP client alone, ${where}`,
      value: of((sample) => sample.bare.rate),
      unit: 'pushes/s',
      ratio: of((sample) => sample.bare.rate / sample.theirs.rate),
    },
    {
      name: `the engine with its outbox, ${where}`,
      value: of((sample) => sample.ours.rate),
      unit: 'pushes/s',
      ratio: of((sample) => sample.ours.rate / sample.theirs.rate),
      ...atLeast(
        of((sample) => sample.ours.rate / sample.theirs.rate),
        4,
      ),
    },
    {
      name: `  share of durability, ${where}`,
      value: durability,
      unit: '%',
      ...atMost(durability, 15),
    },
    {
      name: `  CPU a push, ${where}`,
      value: of((sample) => sample.ours.cpu),
      unit: 'ms',
      ratio: of((sample) => sample.theirs.cpu / sample.ours.cpu),
    },
  ];
}

await runAlone(import.meta, 'Sending pushes', benchPushSending);
