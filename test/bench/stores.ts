/*
 * Stores and outbox on this machine's disk:
 *   node test/bench/stores.ts [directory]      (default: the system's temporary directory)
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { NewPush } from '../../src/stores/outbox-store.ts';
import type { Store } from '../../src/stores/store.ts';
import { openSqliteOutboxStore } from '../../src/stores/sqlite/sqlite-outbox-store.ts';
import { openSqliteStore } from '../../src/stores/sqlite/sqlite-store.ts';

const directory = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'coi-bench-'));
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

function report(name: string, latencies: number[], elapsed: number, more = ''): void {
  latencies.sort((a, b) => a - b);
  const at = (share: number): string => {
    const msecs = latencies[Math.floor((latencies.length - 1) * share)] ?? 0;
    return `${(msecs * 1000).toFixed(0)} µs`.padStart(9);
  };
  const rate = Math.round((latencies.length / elapsed) * 1000).toLocaleString('en');
  console.log(`${name.padEnd(44)} p50 ${at(0.5)}  p99 ${at(0.99)}  ${rate.padStart(8)}/s ${more}`);
}

async function measure(
  name: string,
  count: number,
  inFlight: number,
  work: () => Promise<unknown> | undefined,
): Promise<void> {
  const latencies: number[] = [];
  let left = count;
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
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
  delay.disable();
  report(name, latencies, elapsed, `loop delay p99 ${(delay.percentile(99) / 1e6).toFixed(1)} ms`);
}

async function benchMainThread(): Promise<void> {
  const db = new DatabaseSync(join(directory, 'main.db'));
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
  db.exec('CREATE TABLE e (user TEXT, key TEXT, value BLOB, PRIMARY KEY (user, key)) STRICT');
  const upsert = db.prepare(
    'INSERT INTO e VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
  );
  const commit = (): undefined => {
    db.exec('BEGIN IMMEDIATE');
    upsert.run(user(), key(), nextValue());
    db.exec('COMMIT');
  };
  await measure('main thread (no worker), lone commits', 2000, 1, commit);
  db.close();
}

async function benchStore(name: string, store: Store): Promise<void> {
  const commit = (): Promise<unknown> =>
    store.commit(user(), [{ op: 'set', key: key(), value: nextValue() }]);
  await measure(`${name}, warm-up`, 500, 8, commit);
  for (const inFlight of [1, 2, 8, 32, 256, 1000])
    await measure(`${name}, ${inFlight} commits in flight`, 2000 + inFlight * 20, inFlight, commit);
  await measure(`${name}, get`, 20_000, 1, () => (serial++, store.get(user(), key())));
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
  const size = (): string =>
    `${mebibytes(statSync(path).size)} + WAL ${mebibytes(statSync(`${path}-wal`).size)}`;
  const pair = async (): Promise<void> => {
    const owed = await outbox.add([push()]);
    await outbox.settle(owed.map(({ id }) => id));
  };
  await measure('outbox, lone add', 2000, 1, () => outbox.add([push()]));
  await outbox.trim(0);
  for (const inFlight of [1, 8, 32])
    await measure(`outbox, ${inFlight} add+settle in flight`, 300 * inFlight, inFlight, pair);
  await measure('outbox, 256 add+settle in flight', 100_000, 256, pair);
  console.log(`outbox file after 100,000 add+settle: ${size()}`);
  await measure('outbox, 256 add+settle in flight', 100_000, 256, pair);
  console.log(`outbox file after 200,000 add+settle: ${size()}`);
  await measure('outbox, backlog of 50,000 adds', 50_000, 256, () => outbox.add([push()]));
  console.log(`outbox file with 50,000 owed: ${size()}`);
  await measure('outbox, count', 20, 1, () => outbox.count());
  await measure('outbox, page of 500', 50, 1, () => outbox.page(0, 500));
  const owed = (await outbox.page(0, 50_000)).map(({ id }) => id);
  await measure('outbox, 256 settles in flight', 50_000, 256, () =>
    outbox.settle([owed.pop() ?? 0]),
  );
  console.log(`outbox file with none owed: ${size()}`);
  await outbox.close();
  console.log(`outbox file when closed: ${mebibytes(statSync(path).size)}`);
}

if (process.env['OB']) {
  await benchOutbox();
  process.exit();
}
await benchMainThread();
await benchStore('sqlite', await openSqliteStore(join(directory, 'state.db')));
await benchOutbox();
rmSync(directory, { recursive: true });
