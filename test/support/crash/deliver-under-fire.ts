import { setTimeout as sleep } from 'node:timers/promises';
import { LmtpConnection } from '../../../src/cli/demo/lmtp-client.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { CrashWorld } from './crash-world.ts';

export interface SentMail {
  id: string;
  user: string;
  kind: 'chat' | 'mail';
  /** How often LMTP had to be tried, as an MTA would; more than once when Dovecot broke off. */
  tries: number;
  /** Of the try that succeeded. */
  elapsedMsecs: number;
}

export interface FireOptions {
  deliveries: number;
  kills: number;
  /** Deliveries at the same time. */
  connections: number;
  /** How long each connection rests between two deliveries, in milliseconds; by default not at all. */
  pauseMsecs?: number;
  onProgress: (words: string) => void;
}

export interface FireReport {
  sent: SentMail[];
  /** When each kill came, in monotonic milliseconds. */
  killedAt: number[];
  killsWhileStarting: number;
}

/** How long after the delivery that triggers it a kill may come. */
const SPREAD_MSECS = 60;
const STARTING_MSECS = 1_200;
const MOST_TRIES = 20;
const RETRY_MSECS = 250;

/**
 * Delivers while the sidecar is killed again and again: the deliveries come in as many shares as there
 * are kills; each kill strikes at a random moment of its share, and every fourth is followed by one more
 * while the next process starts. Deliveries never wait for the sidecar, except at the end of a share.
 */
export async function deliverUnderFire(
  world: CrashWorld,
  random: SeededRandom,
  options: FireOptions,
): Promise<FireReport> {
  const { deliveries, kills, connections, pauseMsecs = 0, onProgress } = options;
  const users = [...world.agents.keys()];
  const report: FireReport = { sent: [], killedAt: [], killsWhileStarting: 0 };
  let serial = 0;

  async function killAfter(msecs: number): Promise<void> {
    await sleep(random.next() * msecs);
    report.killedAt.push(performance.now());
    await world.sidecar.kill();
    await world.restart();
  }

  async function killOnceOrTwice(): Promise<void> {
    await killAfter(SPREAD_MSECS);
    if (random.below(4) > 0 || report.killedAt.length >= kills) return;
    await killAfter(STARTING_MSECS);
    report.killsWhileStarting += 1;
  }

  async function deliverShare(count: number, withKill: boolean): Promise<void> {
    const plan = Array.from({ length: count }, () => ({
      user: users[random.below(users.length)] ?? '',
      kind: random.below(2) === 0 ? ('chat' as const) : ('mail' as const),
    }));
    const killAt = withKill ? random.below(count) : -1;
    let next = 0;
    let killing: Promise<void> | undefined;
    const work = async (): Promise<void> => {
      for (let index = next++; index < count; index = next++) {
        if (index === killAt) killing = killOnceOrTwice();
        const { user = '', kind = 'mail' } = plan[index] ?? {};
        report.sent.push(await deliverOne(world, user, kind, `m${++serial}@crash.example`));
        if (pauseMsecs > 0) await sleep(pauseMsecs * 2 * random.next());
      }
    };
    await Promise.all(Array.from({ length: connections }, work));
    await killing;
    await world.sidecar.ready;
  }

  while (report.sent.length < deliveries) {
    const left = deliveries - report.sent.length;
    const killsLeft = kills - report.killedAt.length;
    await deliverShare(Math.ceil(left / Math.max(1, killsLeft)), killsLeft > 0);
    onProgress(`${report.sent.length} deliveries, ${report.killedAt.length} kills`);
  }
  return report;
}

async function deliverOne(
  { dovecot }: CrashWorld,
  user: string,
  kind: SentMail['kind'],
  id: string,
): Promise<SentMail> {
  const message =
    `From: Alice <alice@example.org>\r\nTo: ${user}\r\nSubject: ${id}\r\nMessage-ID: <${id}>\r\n` +
    `${kind === 'chat' ? 'Chat-Version: 1.0\r\n' : ''}\r\n${'Hello there. '.repeat(40)}\r\n`;
  for (let tries = 1; ; tries++) {
    const started = performance.now();
    const code = await send(dovecot.lmtp, user, message).catch(() => null);
    if (code === 250) return { id, user, kind, tries, elapsedMsecs: performance.now() - started };
    if (tries === MOST_TRIES) throw new Error(`${id} cannot be delivered: ${code ?? 'broken off'}`);
    await sleep(RETRY_MSECS);
  }
}

async function send(
  address: Parameters<typeof LmtpConnection.open>[0],
  user: string,
  message: string,
): Promise<number | null> {
  const connection = await LmtpConnection.open(address);
  try {
    const { replies } = await connection.deliver('a@example.org', [user], message);
    return replies[0]?.code ?? null;
  } finally {
    void connection.close();
  }
}
