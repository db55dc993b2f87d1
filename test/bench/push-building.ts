/**
 * Building one push, from the payload to the finished request, against web-push and against the bare
 * cryptography that nobody can leave out: a key pair and an ECDH for each push.
 *
 *   node test/bench/push-building.ts [--quick]
 *
 * Rounds of all candidates alternate, and what counts is the CPU time of this thread: other load on the
 * machine hardly matters.
 */
import { createECDH, randomBytes, sign } from 'node:crypto';
import ece from 'http_ece';
import webpush from 'web-push';
import { systemClock } from '../../src/clock.ts';
import { encryptPush } from '../../src/webpush/encryption/encrypt-push.ts';
import { createReceiverKeyCache } from '../../src/webpush/encryption/receiver-keys.ts';
import { parseGuardPolicy } from '../../src/webpush/guard/guard-policy.ts';
import { judgeEndpoint } from '../../src/webpush/guard/judge-endpoint.ts';
import { buildPushRequest } from '../../src/webpush/request/build-push-request.ts';
import { createVapidAuthorizer } from '../../src/webpush/vapid/vapid-authorizer.ts';
import type { VapidKey } from '../../src/webpush/vapid-key.ts';
import { makeVapidKey } from '../support/make-vapid-key.ts';
import { median, runAlone, type Bench, type BenchRow } from './bench.ts';

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
    const { url } = verdict;
    return buildPushRequest({
      url,
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

export const benchPushBuilding: Bench = ({ quick }) => {
  const candidates: Candidate[] = [
    bare,
    ['a push', ourBuilder(false)],
    ['a push, padded', ourBuilder(true)],
    ['web-push generateRequestDetails', webPushBuilder()],
    ['http_ece encryption alone', eceEncrypt],
    ['ES256 signature (once per key, origin and 12 h)', signer(makeVapidKey(), 'sha256')],
    ['ES384 signature', signer(makeVapidKey('secp384r1'), 'sha384')],
    ['ES512 signature', signer(makeVapidKey('secp521r1'), 'sha512')],
  ];
  const runs = quick ? 60 : 300;
  const rounds = quick ? 7 : 25;
  const costs = candidates.map((): number[] => []);
  for (let round = -2; round < rounds; round += 1) {
    for (const [index, [, run]] of candidates.entries()) {
      const micros = measure(run, runs);
      if (round >= 0) costs[index]?.push(micros);
    }
  }
  const cost = (index: number): number => median(costs[index] ?? []);
  const rows = candidates.map(([name], index): BenchRow => {
    return { name, value: cost(index), unit: 'µs' };
  });
  // Of each round its own ratio: what slowed one candidate of a round slowed the others too.
  const ratio = (of: number, to: number): number =>
    median(costs[of]?.map((micros, round) => (costs[to]?.[round] ?? NaN) / micros) ?? []);
  rows.push(
    {
      name: 'a push, of the bare cryptography',
      value: cost(1),
      unit: 'µs',
      ratio: ratio(1, 0),
      aim: '≥ 0.9',
    },
    {
      name: 'a push, against web-push',
      value: cost(1),
      unit: 'µs',
      ratio: ratio(1, 3),
      aim: '≥ 2.2',
    },
  );
  return Promise.resolve(rows);
};

/** CPU time per run in microseconds. */
function measure(run: (turn: number) => unknown, runs: number): number {
  const before = process.threadCpuUsage();
  for (let turn = 0; turn < runs; turn += 1) run(turn);
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / runs;
}

await runAlone(import.meta, 'Building pushes', benchPushBuilding);
