/**
 * Building one push, from the payload to the finished request, against web-push and against the bare
 * cryptography that nobody can leave out: a key pair and an ECDH for each push.
 *
 *   node test/bench/push-building.ts [--quick]
 *
 * Then the same encryption in threads, many pushes at a time, against this thread alone.
 *
 * Rounds of all candidates alternate and are short, and what counts are the fastest of them: other load
 * on the machine hardly matters.
 */
import { createECDH, randomBytes, sign } from 'node:crypto';
import ece from 'http_ece';
import webpush from 'web-push';
import { systemClock } from '../../src/clock.ts';
import { encryptPush } from '../../src/webpush/encryption/encrypt-push.ts';
import type { PushEncryptor } from '../../src/webpush/encryption/push-encryptor.ts';
import { createReceiverKeyCache } from '../../src/webpush/encryption/receiver-keys.ts';
import { createThreadedEncryptor } from '../../src/webpush/encryption/threaded-encryptor.ts';
import { parseGuardPolicy } from '../../src/webpush/guard/guard-policy.ts';
import { judgeEndpoint } from '../../src/webpush/guard/judge-endpoint.ts';
import { buildPushRequest } from '../../src/webpush/request/build-push-request.ts';
import { createVapidAuthorizer } from '../../src/webpush/vapid/vapid-authorizer.ts';
import type { VapidKey } from '../../src/webpush/vapid/vapid-key.ts';
import { createInlineEncryptor } from '../../src/webpush/encryption/inline-encryptor.ts';
import { makeVapidKey } from '../support/make-vapid-key.ts';
import { atLeast, quantile, runAlone, type Bench, type BenchRow } from './bench.ts';

const SUBJECT = 'mailto:postmaster@example.org';
const ENDPOINT = 'https://push.example.net/send/0123456789abcdef';
const PAYLOAD = JSON.stringify({
  'from-email': 'alice@example.org',
  'from-name': 'Alice',
  subject: 'Chat: Hello',
  content: 'How are you today? '.repeat(25),
  'msg-id': 'chat$2923892892@example.org',
  uid: 2_398_293,
  uidvalidity: 123_287,
  folder: 'COI/Chats',
});
/** Subscriptions in turn, so that no candidate works on one key only. */
const SUBSCRIPTIONS = 64;
/** Runs a round: short enough to fit between two interruptions. */
const RUNS = 4;
const WARM_UP = 20;

type Candidate = [name: string, run: (turn: number) => unknown];

const receivers = Array.from({ length: SUBSCRIPTIONS }, () => {
  const ecdh = createECDH('prime256v1');
  const p256dh = ecdh.generateKeys();
  const keys = {
    p256dh: p256dh.toString('base64url'),
    auth: randomBytes(16).toString('base64url'),
  };
  return { point: p256dh, keys };
});
const receiverOf = (turn: number) => receivers[turn % SUBSCRIPTIONS]!;

const bare: Candidate = [
  'bare key pair + ECDH (createECDH)',
  (turn) => {
    const ecdh = createECDH('prime256v1');
    ecdh.generateKeys();
    return ecdh.computeSecret(receiverOf(turn).point);
  },
];

function ourBuilder(padding: boolean): (turn: number) => unknown {
  const key = makeVapidKey();
  const policy = parseGuardPolicy([]);
  const readKeys = createReceiverKeyCache();
  const authorizer = createVapidAuthorizer({ subject: SUBJECT, clock: systemClock });
  return (turn) => {
    const verdict = judgeEndpoint(ENDPOINT, policy);
    if (!verdict.allowed) throw new Error(verdict.reason);
    const { url, target } = verdict;
    return buildPushRequest({
      ...{ url, target },
      body: encryptPush(PAYLOAD, readKeys(receiverOf(turn).keys), { padding }),
      authorization: authorizer.authorize(key, url.origin),
      ttlSeconds: 86_400,
      urgency: 'normal',
    });
  };
}

function webPushBuilder(): (turn: number) => unknown {
  const { publicKey, privateKey } = webpush.generateVAPIDKeys();
  const vapidDetails = { subject: SUBJECT, publicKey, privateKey };
  const options = { vapidDetails, TTL: 86_400, urgency: 'normal' } as const;
  return (turn) =>
    webpush.generateRequestDetails(
      { endpoint: ENDPOINT, keys: receiverOf(turn).keys },
      PAYLOAD,
      options,
    );
}

function eceEncrypt(turn: number): Buffer {
  const privateKey = createECDH('prime256v1');
  privateKey.generateKeys();
  const { keys } = receiverOf(turn);
  return ece.encrypt(Buffer.from(PAYLOAD), {
    ...{ version: 'aes128gcm', privateKey, authSecret: keys.auth, dh: keys.p256dh },
    salt: randomBytes(16),
  });
}

const signer = (key: VapidKey, digest: string) => () =>
  sign(digest, Buffer.from(ENDPOINT), { key: key.privateKey, dsaEncoding: 'ieee-p1363' });

export const benchPushBuilding: Bench = async ({ quick }) => {
  const [ourName, theirName] = ['a push', 'web-push generateRequestDetails'];
  const rounds = quick ? 150 : 600;
  const costs = measure(rounds, [
    bare,
    [ourName, ourBuilder(false)],
    ['a push, padded', ourBuilder(true)],
    [theirName, webPushBuilder()],
    ['http_ece encryption alone', eceEncrypt],
  ]);
  const signatures = measure(rounds / 25, [
    ['ES256 signature (once per key, origin and 12 h)', signer(makeVapidKey(), 'sha256')],
    ['ES384 signature', signer(makeVapidKey('secp384r1'), 'sha384')],
    ['ES512 signature', signer(makeVapidKey('secp521r1'), 'sha512')],
  ]);
  const row = (name: string, value: number): BenchRow => ({ name, value, unit: 'µs' });
  const ratioRow = (name: string, value: number, ratio: number, aim: number): BenchRow => ({
    ...row(name, value),
    ratio,
    ...atLeast(ratio, aim),
  });
  const cost = (name: string): number => costs.get(name) ?? NaN;
  const own = cost(ourName);
  return [
    ...[...costs, ...signatures].map(([name, value]) => row(name, value)),
    ratioRow('a push, of the bare cryptography', own, cost(bare[0]) / own, 0.9),
    ratioRow('a push, against web-push', own, cost(theirName) / own, 2.2),
    ...(await compareThreads(quick ? 5 : 25)),
  ];
};

/** Pushes that are to be encrypted at a time. */
const AT_A_TIME = 64;
const BATCHES = 4;
/** Each thread compiles what it runs. */
const WARM_UP_ROUNDS = 6;

/** Rates of encryption by threads; whoever waits for them does nothing else. */
async function compareThreads(rounds: number): Promise<BenchRow[]> {
  const inline = createInlineEncryptor();
  const threads = [createThreadedEncryptor(), createThreadedEncryptor()] as const;
  const candidates = [[inline], [threads[0]], threads] as const;
  const rates = candidates.map((): number[] => []);
  for (let round = -WARM_UP_ROUNDS; round < rounds; round += 1) {
    for (const [index, encryptors] of candidates.entries()) {
      const started = performance.now();
      for (let batch = 0; batch < BATCHES; batch += 1) await encryptMany(encryptors);
      const rate = (AT_A_TIME * BATCHES * 1_000) / (performance.now() - started);
      if (round >= 0) rates[index]?.push(rate);
    }
  }
  for (const encryptor of threads) await encryptor.close();
  const [alone = NaN, one = NaN, two = NaN] = rates.map((each) => quantile(each, 0.9));
  return [
    { name: 'encryption, this thread', value: alone, unit: 'pushes/s' },
    { name: 'encryption, one other thread', value: one, unit: 'pushes/s', ratio: one / alone },
    {
      ...{ name: 'encryption, two other threads', value: two, unit: 'pushes/s' },
      ...{ ratio: two / alone, aim: '≥ 1.8 if they pay', met: two / alone >= 1.8 },
    },
  ];
}

async function encryptMany(encryptors: readonly PushEncryptor[]): Promise<void> {
  const encrypt = async (turn: number): Promise<unknown> =>
    encryptors[turn % encryptors.length]?.encrypt(PAYLOAD, receiverOf(turn).keys, false);
  await Promise.all(Array.from({ length: AT_A_TIME }, (_, turn) => encrypt(turn)));
}

/**
 * What a run of each candidate costs undisturbed, in microseconds: the twentieth part of the rounds that
 * went fastest is what the machine does when it does nothing else.
 */
function measure(rounds: number, candidates: readonly Candidate[]): Map<string, number> {
  const samples = new Map(candidates.map(([name]) => [name, [] as number[]]));
  for (let round = -rounds / 10; round < rounds; round += 1) {
    for (const [name, run] of candidates) {
      // Not counted: they bring this candidate's code and data back into the processor's caches.
      for (let turn = 0; turn < WARM_UP; turn += 1) run(turn);
      const started = performance.now();
      for (let turn = 0; turn < RUNS; turn += 1) run(turn + (round & 63));
      if (round >= 0) samples.get(name)?.push(((performance.now() - started) * 1_000) / RUNS);
    }
  }
  return new Map([...samples].map(([name, costs]) => [name, quantile(costs, 0.05)]));
}

await runAlone(import.meta, 'Building pushes', benchPushBuilding);
