/*
 * The stores and the outbox, on the disk that holds a directory:
 *   node test/bench/stores.ts [directory [sqlite | outbox | redis]]
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { DatabaseSync } from 'node:sqlite';
import { createLogger } from '../../src/logging.ts';
import type { NewPush } from '../../src/stores/outbox-store.ts';
import { openRedisStore } from '../../src/stores/redis/redis-store.ts';
import { openSqliteOutboxStore } from '../../src/stores/sqlite/sqlite-outbox-store.ts';
import { openSqliteStore } from '../../src/stores/sqlite/sqlite-store.ts';
import type { Store } from '../../src/stores/store.ts';
import { RedisServer, redisIsMissing } from '../stores/redis/redis-server.ts';

const directory = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'stores-bench-'));
const VALUE_OCTETS = 700;
const PAYLOAD = 'x'.repeat(1500);

let serial = 0;
/** SQLite skips a write that changes nothing: every value must differ. */
function nextValue(): Buffer {
  const value = Buffer.alloc(VALUE_OCTETS, 'v');
  value.writeUInt32LE(serial++);
  return value;
}
const user = (): string => `user${serial % 500}@example.org`;
const key = (): string => `priv/vendor/vendor.dovecot/webpush/subscriptions/s${serial % 7}`;

const mebibytes = (octets: number): string => `${(octets / 2 ** 20).toFixed(1)} MiB`;

const microseconds = (msecs: number): string => `${(msecs * 1000).toFixed(0)} µs`.padStart(9);

/** `count` runs of `work`, `inFlight` at a time: latency, rate, CPU time of all threads a run. */
async function measure(
  name: string,
  count: number,
  inFlight: number,
  work: () => unknown,
): Promise<void> {
  const latencies: number[] = [];
  let left = count;
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const cpu = process.cpuUsage();
  const start = performance.now();
  const loop = async (): Promise<void> => {
    while (left-- > 0) {
      const begin = performance.now();
      await work();
      latencies.push(performance.now() - begin);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  const elapsed = performance.now() - start;
  const { user: inUser, system } = process.cpuUsage(cpu);
  delay.disable();
  latencies.sort((a, b) => a - b);
  const quantile = (share: number): string =>
    microseconds(latencies[Math.floor((latencies.length - 1) * share)] ?? 0);
  const columns = [
    name.padEnd(42),
    `p50${quantile(0.5)}`,
    `p99${quantile(0.99)}`,
    `${Math.round((count / elapsed) * 1000).toLocaleString('en')}/s`.padStart(10),
    `CPU${microseconds((inUser + system) / 1000 / count)}`,
    `loop delay p99${microseconds(delay.percentile(99) / 1e6)}`,
  ];
  console.log(columns.join('  '));
}

/** What the worker thread must be better than. */
async function benchMainThread(): Promise<void> {
  const db = new DatabaseSync(join(directory, 'main.db'));
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
  db.exec('CREATE TABLE e (user TEXT, key TEXT, value BLOB, PRIMARY KEY (user, key)) STRICT');
  const upsert = db.prepare(
    'INSERT INTO e VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
  );
  await measure('main thread (no worker), lone commits', 2000, 1, () => {
    db.exec('BEGIN IMMEDIATE');
    upsert.run(user(), key(), nextValue());
    db.exec('COMMIT');
  });
  db.close();
}

async function benchStore(name: string, store: Store): Promise<void> {
  const commit = (): Promise<unknown> =>
    store.commit(user(), [{ op: 'set', key: key(), value: nextValue() }]);
  await Promise.all(Array.from({ length: 3500 }, commit));
  for (const inFlight of [1, 2, 8, 32, 256, 1000])
    await measure(`${name}, ${inFlight} in flight`, 2000 + inFlight * 20, inFlight, commit);
  await measure(`${name}, get`, 10_000, 1, () => (serial++, store.get(user(), key())));
  await measure(`${name}, list of 7`, 10_000, 1, () => (serial++, store.list(user(), 'priv/')));
  await store.close();
}

const push = (): NewPush => ({
  user: user(),
  subscriptionId: `s${serial % 7}`,
  endpoint: `https://push.example.com/wpush/v2/${'e'.repeat(150)}${serial % 500}`,
  kind: 'message',
  payload: PAYLOAD,
  urgency: 'high',
  createdAt: Date.now(),
  expiresAt: Date.now() + 86_400_000,
  dedupeKey: `${user()}/s${serial % 7}/<${serial++}@example.org>`,
});

async function benchOutbox(): Promise<void> {
  const path = join(directory, 'outbox.db');
  const outbox = await openSqliteOutboxStore(path, { rememberMsecs: 3_600_000 });
  const reportSize = (when: string): void => {
    const [file, log] = [path, `${path}-wal`].map((name) => mebibytes(statSync(name).size));
    console.log(`outbox file ${when}: ${file}, log ${log}`);
  };
  const addAndSettle = async (): Promise<void> => {
    const owed = await outbox.add([push()]);
    await outbox.settle(owed.map(({ id }) => id));
  };
  await measure('outbox, lone add', 2000, 1, () => outbox.add([push()]));
  await outbox.settle((await outbox.page(0, 10_000)).map(({ id }) => id));
  for (const inFlight of [1, 8, 32])
    await measure(
      `outbox, add+settle, ${inFlight} in flight`,
      300 * inFlight,
      inFlight,
      addAndSettle,
    );
  for (const total of ['100,000', '200,000']) {
    await measure('outbox, add+settle, 256 in flight', 100_000, 256, addAndSettle);
    reportSize(`after ${total} add+settle`);
  }
  await measure('outbox, add, 256 in flight', 50_000, 256, () => outbox.add([push()]));
  reportSize('with 50,000 owed');
  await measure('outbox, page of 64', 50, 1, () => outbox.page(10_000, 64));
  const owed = (await outbox.page(0, 50_000)).map(({ id }) => id);
  const settleNext = (): Promise<void> => outbox.settle([owed.pop() ?? 0]);
  await measure('outbox, settle, 256 in flight', 50_000, 256, settleNext);
  reportSize('with none owed');
  await outbox.close();
  console.log(`outbox file when closed: ${mebibytes(statSync(path).size)}`);
}

async function benchRedis(...settings: string[]): Promise<void> {
  const server = await RedisServer.start(...settings);
  const store = await openRedisStore(server.url(), { log: createLogger('error') });
  await benchStore(['redis', ...settings].join(' '), store);
  await server.dispose();
}

const only = process.argv[3];
try {
  if (only === undefined || only === 'sqlite') {
    await benchMainThread();
    await benchStore('sqlite', await openSqliteStore(join(directory, 'state.db')));
  }
  if (only === undefined || only === 'outbox') await benchOutbox();
  if (redisIsMissing === false && (only === undefined || only === 'redis')) {
    await benchRedis();
    await benchRedis('--appendonly', 'yes', '--appendfsync', 'always');
  }
} finally {
  rmSync(directory, { recursive: true });
}
