/**
 * Whether mail waits for push services: LMTP's answer for users whose services answer at once, slowly,
 * never, or are down. Each user has three subscriptions, each kind of service its own origin.
 *
 *   node test/bench/lmtp-endpoints.ts [--quick]
 *
 * Interleaved: each round delivers a chat message and an ordinary one to each user, in an order of its
 * own. A pause behind each lets pushes leave that can: on a machine with few cores they would slow
 * down the next delivery, whoever gets it. A ratio above 1 would mean that mail waits.
 */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LmtpConnection } from '../../src/cli/demo/lmtp-client.ts';
import { startPrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import { seededRandom, type SeededRandom } from '../support/seeded-random.ts';
import { spawnSidecar } from '../support/spawn-sidecar.ts';
import { stageConfig } from '../support/start-stage.ts';
import { median, runAlone, type Bench, type BenchRow } from './bench.ts';
import type { SubscribeOrder } from './lmtp-services.ts';

const USERS = ['at-once', 'slow', 'hangs', 'down'] as const;
const KINDS = ['chat', 'mail'] as const;
const TURNS = KINDS.flatMap((kind) => USERS.map((user) => ({ kind, user })));
const WARM_UP = 30;
const PAUSE_MSECS = 30;
/** By how much the same messages to the same user differ from one run to the next. */
const NOISE = 0.1;

export const benchLmtpEndpoints: Bench = async ({ quick }) => {
  const rounds = quick ? 40 : 300;
  const random = seededRandom(1);
  const services = fork(new URL('./lmtp-services.ts', import.meta.url), { stdio: 'inherit' });
  const [{ ca }] = (await once(services, 'message')) as [{ ca: string }];
  const dovecot = await startPrivateDovecot();
  const { dir } = dovecot.layout;
  await writeFile(join(dir, 'ca.pem'), ca);
  const sidecar = await spawnSidecar(dir, stageConfig(dovecot, join(dir, 'ca.pem')));
  try {
    const order: SubscribeOrder = { imap: dovecot.imap, password: dovecot.password };
    services.send(order);
    await once(services, 'message');
    const connection = await LmtpConnection.open(dovecot.lmtp);
    const msecs = new Map<string, number[]>();
    for (let round = 0; round < WARM_UP + rounds; round++) {
      for (const { user, kind } of shuffle(TURNS, random)) {
        const { elapsedMsecs } = await connection.deliver('a@b.c', [user], message(kind, round));
        const name = `${kind}, ${user}`;
        if (round >= WARM_UP) msecs.set(name, [...(msecs.get(name) ?? []), elapsedMsecs]);
        await sleep(PAUSE_MSECS);
      }
    }
    await connection.close();
    await checkOutcomes(dovecot.sidecar.url);
    return KINDS.flatMap((kind) => summarise(kind, msecs));
  } finally {
    await sidecar.stop();
    services.disconnect();
    await dovecot.stop();
  }
};

function summarise(kind: string, msecs: ReadonlyMap<string, number[]>): BenchRow[] {
  const of = (user: string): number => median(msecs.get(`${kind}, ${user}`) ?? []);
  return USERS.map((user) => ({
    name: `LMTP, ${kind}, endpoints: ${user}`,
    value: of(user),
    unit: 'ms',
    ...(user !== 'at-once' && {
      ratio: of(user) / of('at-once'),
      aim: 'at most 1, and the noise',
      met: of(user) / of('at-once') <= 1 + NOISE,
    }),
  }));
}

function shuffle<T>(things: readonly T[], random: SeededRandom): T[] {
  const drawn = things.map((thing) => ({ thing, lot: random.next() }));
  return drawn.sort((one, other) => one.lot - other.lot).map(({ thing }) => thing);
}

/** Had the services not behaved as they should, the figures would say nothing. */
async function checkOutcomes(url: string): Promise<void> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  for (const outcome of ['accepted', 'timeout', 'refused']) {
    const count = RegExp(`^coi_pushes_total.*kind="message".*outcome="${outcome}".* (\\d+)$`, 'm');
    assert.ok(Number(count.exec(metrics)?.[1]) > 0, `no push ended as "${outcome}"`);
  }
}

let serial = 0;

const message = (kind: string, round: number): string =>
  `From: a@example.org\r\nSubject: ${round}\r\nMessage-ID: <${++serial}@bench.example>\r\n` +
  `${kind === 'chat' ? 'Chat-Version: 1.0\r\n' : ''}\r\n${'Hello there. '.repeat(40)}\r\n`;

await runAlone(import.meta, 'LMTP’s answer, by what push services do', benchLmtpEndpoints);
