/**
 * Whether mail waits for push services: LMTP's answer for users whose services answer at once, slowly,
 * never, or are down. Each user has three subscriptions, each kind of service its own origin.
 *
 *   node test/bench/lmtp-endpoints.ts [--quick]
 *
 * Interleaved: each round delivers one message to each user, in turn; the order of turns changes. On a
 * machine with few cores, services that answer cost more than others: their pushes are sent then and
 * there, while a service that is down is left alone.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LmtpConnection } from '../../src/cli/demo/lmtp-client.ts';
import { startPrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import { spawnSidecar } from '../support/spawn-sidecar.ts';
import { stageConfig } from '../support/start-stage.ts';
import { median, runAlone, type Bench, type BenchRow } from './bench.ts';
import type { SubscribeOrder } from './lmtp-services.ts';

const USERS = ['at-once', 'slow', 'hangs', 'down'] as const;
const KINDS = ['chat', 'mail'] as const;
const WARM_UP = 5;

export const benchLmtpEndpoints: Bench = async ({ quick }) => {
  const rounds = quick ? 40 : 300;
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
      for (let turn = 0; turn < USERS.length; turn++) {
        const user = USERS[(turn + round) % USERS.length] ?? 'at-once';
        for (const kind of KINDS) {
          const { elapsedMs } = await connection.deliver('a@b.c', [user], message(kind, round));
          const name = `${kind}, ${user}`;
          if (round >= WARM_UP) msecs.set(name, [...(msecs.get(name) ?? []), elapsedMs]);
        }
      }
    }
    await connection.close();
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
    ...(user !== 'at-once' && { ratio: of(user) / of('at-once'), aim: 'at most 1' }),
  }));
}

let serial = 0;

const message = (kind: string, round: number): string =>
  `From: a@example.org\r\nSubject: ${round}\r\nMessage-ID: <${++serial}@bench.example>\r\n` +
  `${kind === 'chat' ? 'Chat-Version: 1.0\r\n' : ''}\r\n${'Hello there. '.repeat(40)}\r\n`;

await runAlone(import.meta, 'LMTP’s answer, by what push services do', benchLmtpEndpoints);
