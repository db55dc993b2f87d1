/**
 * What the sidecar itself costs, and how that grows with users and subscriptions.
 *
 *   node test/bench/own-cost.ts [--quick]
 *
 * It runs in a process of its own over an SQLite store; this process plays Dovecot (chat mail under
 * message-filter `active`), a third one the push services. CPU is that of all its threads. Mail goes to
 * a few of the users again and again, as it does in real life; what a user's first mail costs, when
 * nothing is known of him yet, stands apart.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findFreePort } from '../../src/cli/demo/find-free-port.ts';
import { median, runAlone, type Bench, type BenchRow } from './bench.ts';
import { startDoveadmStandIn, type DoveadmStandIn } from './doveadm-stand-in.ts';
import { startPushTargets, type PushTargets } from './push-targets.ts';
import { seedStore } from './seed-store.ts';
import { startSidecarUnderTest, type SidecarUnderTest } from './sidecar-under-test.ts';
import { simulateDelivery, type SimulatedDovecot } from './simulated-delivery.ts';

const USERS = [1_000, 10_000, 100_000];
const SUBSCRIPTIONS = [1, 3, 5, 10];
/** What a user has while the number of users grows, and users while that of subscriptions does. */
const USUAL_SUBSCRIPTIONS = 3;
const USUAL_USERS = 1_000;
/** Users who get mail. */
const BUSY_USERS = 200;
/** Deliveries until the code is compiled and caches are filled. */
const WARM_UP = 2 * BUSY_USERS;
const AT_A_TIME = 4;
const TOKEN = 'a-token-for-benches';

interface Measured {
  startMsecs: number;
  /** Milliseconds of CPU a second, when nothing happens. */
  idleCpu: number;
  /** Octets. */
  residentIdle: number;
  residentLoaded: number;
  cpuMsecs: number;
  /** The same for a user's first mail after the start. */
  firstCpuMsecs: number;
  allocatedOctets: number;
  /** Until an event was owed, p50. */
  eventMsecs: number;
}

export const benchOwnCost: Bench = async ({ quick }) => {
  const targets = await startPushTargets(Math.max(...SUBSCRIPTIONS));
  const doveadm = await startDoveadmStandIn();
  const services = { targets, doveadm };
  const scale = { deliveries: quick ? 400 : 3_000, idleMsecs: quick ? 1_500 : 10_000 };
  try {
    const empty = await measure(services, { users: 0, subscriptions: 0 }, scale);
    const byUsers: [number, Measured][] = [];
    for (const users of USERS) {
      const size = { users, subscriptions: USUAL_SUBSCRIPTIONS };
      byUsers.push([users, await measure(services, size, scale)]);
    }
    const bySubscriptions: [number, Measured][] = [];
    for (const subscriptions of SUBSCRIPTIONS) {
      const size = { users: USUAL_USERS, subscriptions };
      bySubscriptions.push([subscriptions, await measure(services, size, scale)]);
    }
    return [
      ...ownRows(empty, byUsers),
      ...growthRows('users', byUsers),
      ...growthRows('subscriptions', bySubscriptions),
    ];
  } finally {
    targets.close();
    doveadm.close();
  }
};

interface Services {
  targets: PushTargets;
  doveadm: DoveadmStandIn;
}

async function measure(
  { targets, doveadm }: Services,
  { users, subscriptions }: { users: number; subscriptions: number },
  { deliveries, idleMsecs }: { deliveries: number; idleMsecs: number },
): Promise<Measured> {
  const dir = await mkdtemp(join(tmpdir(), 'coi-bench-'));
  const names = Array.from({ length: users }, (_, index) => `user${index}@example.org`);
  const origins = targets.origins.slice(0, subscriptions);
  const url = `sqlite:${join(dir, 'state.db')}`;
  await seedStore(url, { names, filter: 'active', origins });
  await writeFile(join(dir, 'ca.pem'), targets.ca);
  const http = `127.0.0.1:${await findFreePort()}`;
  const dovecot = {
    ...{ url: `http://${http}`, token: TOKEN },
    classifySocket: join(dir, 'classify'),
  };
  const sidecar = await startSidecarUnderTest(dir, {
    http: { listen: http, token: TOKEN },
    dict: { socket: join(dir, 'dict') },
    sieve: { socket: dovecot.classifySocket },
    store: { url },
    outbox: { path: join(dir, 'outbox.db') },
    doveadm: { url: doveadm.url, api_key: 'none' },
    events: { dir: `${dir}/events` },
    spool: { dir },
    webpush: { allow_private_endpoints: ['127.0.0.1'], ca_file: join(dir, 'ca.pem') },
  });
  try {
    // What follows a start, say the look at all users, is over by then.
    await settle(sidecar);
    const before = await sidecar.usage();
    await sleep(idleMsecs);
    const idle = await sidecar.usage();
    const load =
      names.length === 0 ? undefined : await exercise(sidecar, dovecot, names, deliveries);
    const loaded = await sidecar.usage();
    return {
      startMsecs: sidecar.startMsecs,
      idleCpu: ((idle.cpuMsecs - before.cpuMsecs) / idleMsecs) * 1_000,
      residentIdle: idle.residentOctets,
      residentLoaded: loaded.residentOctets,
      ...(load ?? { cpuMsecs: NaN, firstCpuMsecs: NaN, allocatedOctets: NaN, eventMsecs: NaN }),
    };
  } finally {
    await sidecar.stop();
    await rm(dir, { recursive: true });
  }
}

/** Waits until a second passes in which it used next to nothing. */
async function settle(sidecar: SidecarUnderTest): Promise<void> {
  for (let used = Infinity; used > 50;) {
    const { cpuMsecs } = await sidecar.usage();
    await sleep(500);
    used = (await sidecar.usage()).cpuMsecs - cpuMsecs;
  }
}

async function exercise(
  sidecar: SidecarUnderTest,
  dovecot: SimulatedDovecot,
  names: readonly string[],
  deliveries: number,
): Promise<Pick<Measured, 'cpuMsecs' | 'firstCpuMsecs' | 'allocatedOctets' | 'eventMsecs'>> {
  // All over the range of users.
  const busy = names.filter((_, index) => index % (names.length / BUSY_USERS) === 0);
  const others = names.filter((_, index) => index % (names.length / BUSY_USERS) === 1);
  const deliver = async (to: readonly string[], count: number) => {
    const before = await sidecar.usage();
    const msecs = await deliverMany(dovecot, to, count);
    await sidecar.idle();
    const after = await sidecar.usage();
    return {
      cpuMsecs: (after.cpuMsecs - before.cpuMsecs) / count,
      allocatedOctets: (after.allocatedOctets - before.allocatedOctets) / count,
      eventMsecs: median(msecs),
    };
  };
  await deliver(busy, WARM_UP);
  const measured = await deliver(busy, deliveries);
  const first = await deliver(others, others.length);
  return { ...measured, firstCpuMsecs: first.cpuMsecs };
}

/** To each in turn. */
async function deliverMany(
  dovecot: SimulatedDovecot,
  names: readonly string[],
  deliveries: number,
): Promise<number[]> {
  const msecs: number[] = [];
  let turn = 0;
  const lane = async (): Promise<void> => {
    while (turn < deliveries) {
      const user = names[turn++ % names.length] ?? '';
      msecs.push(await simulateDelivery(dovecot, user));
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, lane));
  return msecs;
}

const MEBIBYTE = 1_048_576;

function ownRows(empty: Measured, byUsers: readonly [number, Measured][]): BenchRow[] {
  const usual = byUsers[0]?.[1] ?? empty;
  const many = byUsers.at(-1)?.[1] ?? empty;
  const users = byUsers.at(-1)?.[0].toLocaleString('en') ?? '';
  const memory = (name: string, octets: number): BenchRow => ({
    ...{ name: `resident memory, ${name}`, value: octets / MEBIBYTE, unit: 'MiB' },
  });
  return [
    { name: 'a chat mail with 3 subscriptions, CPU', value: usual.cpuMsecs, unit: 'ms' },
    {
      name: 'the same, a user’s first after the start',
      value: usual.firstCpuMsecs,
      unit: 'ms',
    },
    {
      name: 'a chat mail with 3 subscriptions, allocated on the heap',
      value: usual.allocatedOctets / 1_024,
      unit: 'KiB',
    },
    { name: 'idle, CPU a second', value: empty.idleCpu, unit: 'ms' },
    memory('empty', empty.residentIdle),
    memory(`${users} users`, many.residentIdle),
    memory(`${users} users, under load`, many.residentLoaded),
    { name: 'start, empty', value: empty.startMsecs, unit: 'ms' },
    { name: `start, ${users} users`, value: many.startMsecs, unit: 'ms' },
  ];
}

/** The figures of each size, for the plot too; ratios are those to the smallest size. */
function growthRows(what: string, measured: readonly [number, Measured][]): BenchRow[] {
  const first = measured[0]?.[1];
  const figures: [name: string, unit: string, of: (one: Measured) => number][] = [
    ['CPU a delivery', 'ms', ({ cpuMsecs }) => cpuMsecs],
    ['an event is owed, p50', 'ms', ({ eventMsecs }) => eventMsecs],
    ['resident memory under load', 'MiB', ({ residentLoaded }) => residentLoaded / MEBIBYTE],
    ['start', 'ms', ({ startMsecs }) => startMsecs],
  ];
  return figures.flatMap(([name, unit, of]) =>
    measured.map(([x, one], index) => ({
      name: `by ${what}, ${x.toLocaleString('en')}: ${name}`,
      value: of(one),
      unit,
      ...(index > 0 && first && { ratio: of(one) / of(first) }),
      point: { plot: what, series: name, x },
    })),
  );
}

await runAlone(import.meta, 'The sidecar’s own cost, and how it grows', benchOwnCost);
