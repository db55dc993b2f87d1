/**
 * LMTP throughput: what a Dovecot with the sidecar delivers in the time in which one without it
 * delivers the same.
 *
 *   node test/bench/delivery.ts [--quick]
 *
 * Maildir, messages of 1 kB. Chat mail goes to users with message-filter `active` and three
 * subscriptions, each at a push service of its own; ordinary mail, to users without COI. All Dovecots
 * run at the same time, and get their messages in rounds that alternate. One has nothing but Sieve, with
 * a script that files chat, and an empty Lua script: what any solution without a plugin of its own
 * costs at least.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import { atLeast, median, runAlone, type Bench, type BenchRow } from './bench.ts';
import { deliverLoad, nextMessage } from './lmtp-load.ts';
import { startPushTargets } from './push-targets.ts';
import { startPlain, startWithEmptyScript, startWithSidecar } from './reference-dovecots.ts';
import type { SidecarUnderTest } from './sidecar-under-test.ts';

const COLUMNS = [
  { users: 1, connections: 1 },
  { users: 20, connections: 1 },
  { users: 20, connections: 4 },
] as const;

/**
 * The C plugin beside the same Dovecot (Debian 12, 2.3.19.1, maildir, two cores, 1 kB, medians of
 * three interleaved rounds), against a Dovecot without COI; a column each. It is not part of this
 * repository, so these are its published figures.
 */
const C_PLUGIN = {
  'no subscription': [0.71, 0.69, 0.61],
  '1 subscription': [0.5, 0.56, 0.53],
  '3 subscriptions': [0.41, 0.49, 0.39],
} as const;
const WANTED_OVER_C_PLUGIN = 1.3;

const SUBSCRIPTIONS = 3;
const WARM_UP = 20;
const PAUSE_MSECS = 100;
const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}@example.org`);
const CHATTERS = names('chatter', 20);
const OTHERS = names('other', 20);

interface Candidate {
  name: string;
  dovecot: PrivateDovecot;
  users: readonly string[];
  kind: 'chat' | 'mail';
  sidecar?: SidecarUnderTest;
}

export const benchDelivery: Bench = async ({ quick }) => {
  const targets = await startPushTargets(SUBSCRIPTIONS);
  const plain = await startPlain();
  const dir = await mkdtemp(join(tmpdir(), 'coi-bench-'));
  const empty = await startWithEmptyScript(dir);
  const sieve = await startWithEmptyScript(dir, { filesChat: true });
  const { dovecot, sidecar } = await startWithSidecar(targets, CHATTERS);
  const candidates: Candidate[] = [
    { name: PLAIN, dovecot: plain, users: OTHERS, kind: 'mail' },
    { name: EMPTY, dovecot: empty, users: OTHERS, kind: 'mail' },
    { name: SIEVE_MAIL, dovecot: sieve, users: OTHERS, kind: 'mail' },
    { name: SIEVE_CHAT, dovecot: sieve, users: CHATTERS, kind: 'chat' },
    { name: CHAT, dovecot, users: CHATTERS, kind: 'chat', sidecar },
    { name: ORDINARY, dovecot, users: OTHERS, kind: 'mail', sidecar },
  ];
  try {
    const rows: BenchRow[] = [];
    // A service runs for weeks: what it compiles in its first minute is not counted.
    for (const candidate of candidates) await measure(candidate, COLUMNS[2], quick ? 200 : 600);
    for (const [index, column] of COLUMNS.entries()) {
      const samples = await compare(candidates, column, {
        rounds: quick ? 3 : 9,
        messages: quick ? 60 : 200,
      });
      rows.push(...summarise(samples, index));
    }
    return rows;
  } finally {
    await sidecar.stop();
    await Promise.all([plain, empty, sieve, dovecot].map((one) => one.stop()));
    targets.close();
    await rm(dir, { recursive: true });
  }
};

const PLAIN = 'Dovecot without COI';
const EMPTY = 'Dovecot with an empty Lua script';
const SIEVE_MAIL = 'the same and Sieve, ordinary mail';
const SIEVE_CHAT = 'the same and Sieve, which files chat mail';
const CHAT = 'coi-sidecar, chat mail, 3 subscriptions';
const ORDINARY = 'coi-sidecar, ordinary mail, no COI';

interface Sample {
  /** Deliveries a second. */
  rate: number;
  /** The same, until the last push is sent. */
  sentRate: number;
  /** Milliseconds of CPU that the sidecar spent on a delivery. */
  cpu: number;
}

/** Samples of one column by candidate; neighbours in a round have the same index. */
async function compare(
  candidates: readonly Candidate[],
  column: (typeof COLUMNS)[number],
  { rounds, messages }: { rounds: number; messages: number },
): Promise<Map<string, Sample[]>> {
  const samples = new Map<string, Sample[]>(candidates.map(({ name }) => [name, []]));
  for (let round = -1; round < rounds; round += 1) {
    for (const candidate of candidates) {
      const sample = await measure(candidate, column, round < 0 ? WARM_UP : messages);
      if (round >= 0) samples.get(candidate.name)?.push(sample);
    }
  }
  return samples;
}

async function measure(
  { dovecot, users, kind, sidecar }: Candidate,
  column: (typeof COLUMNS)[number],
  messages: number,
): Promise<Sample> {
  const before = await sidecar?.usage();
  const started = performance.now();
  const elapsed = await deliverLoad(dovecot.lmtp, {
    ...{ users: users.slice(0, column.users), connections: column.connections, messages },
    message: () => nextMessage(kind),
  });
  await sidecar?.idle();
  const sent = performance.now() - started;
  const after = await sidecar?.usage();
  // What follows a round, as the collection of garbage, is not for the next candidate to pay.
  await sleep(PAUSE_MSECS);
  return {
    rate: (messages / elapsed) * 1_000,
    sentRate: (messages / sent) * 1_000,
    cpu: ((after?.cpuMsecs ?? 0) - (before?.cpuMsecs ?? 0)) / messages,
  };
}

function summarise(samples: ReadonlyMap<string, Sample[]>, column: number): BenchRow[] {
  const { users, connections } = COLUMNS[column] ?? COLUMNS[0];
  const where = `${users} user${users > 1 ? 's' : ''}, ${connections} connection${connections > 1 ? 's' : ''}`;
  const of = (name: string): Sample[] => samples.get(name) ?? [];
  const row = (name: string, base?: string, key: 'rate' | 'sentRate' = 'rate'): BenchRow => ({
    name: `${where}: ${name}`,
    value: median(of(name).map((sample) => sample[key])),
    unit: 'messages/s',
    ...(base !== undefined && {
      ratio: median(of(name).map((sample, at) => sample[key] / (of(base)[at]?.rate ?? NaN))),
    }),
  });
  const wanted = WANTED_OVER_C_PLUGIN * (C_PLUGIN['3 subscriptions'][column] ?? NaN);
  return [
    row(PLAIN),
    ...Object.entries(C_PLUGIN).map(([what, ratios]) => ({
      name: `${where}: C plugin, chat mail, ${what} (published)`,
      ratio: ratios[column] ?? NaN,
    })),
    row(SIEVE_CHAT, PLAIN),
    aimed(row(CHAT, PLAIN), Number(wanted.toFixed(2))),
    { ...row(CHAT, SIEVE_CHAT), name: `${where}:   of Sieve alone` },
    { ...row(CHAT, PLAIN, 'sentRate'), name: `${where}:   until the last push is sent` },
    row(EMPTY, PLAIN),
    row(SIEVE_MAIL, EMPTY),
    aimed({ ...row(ORDINARY, EMPTY), name: `${where}: ${ORDINARY}, of the empty script` }, 0.8),
    { ...row(ORDINARY, SIEVE_MAIL), name: `${where}:   of the empty script and Sieve` },
    cpuRow(`${where}:   sidecar's CPU a chat mail`, of(CHAT)),
    cpuRow(`${where}:   sidecar's CPU an ordinary mail`, of(ORDINARY)),
  ];
}

const aimed = (row: BenchRow, aim: number): BenchRow => ({
  ...row,
  ...atLeast(row.ratio ?? NaN, aim),
});

const cpuRow = (name: string, samples: readonly Sample[]): BenchRow => ({
  name,
  value: median(samples.map(({ cpu }) => cpu)),
  unit: 'ms',
});

await runAlone(import.meta, 'Delivery: LMTP throughput', benchDelivery);
