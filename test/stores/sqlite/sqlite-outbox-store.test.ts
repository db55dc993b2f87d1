import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, it } from 'node:test';
import type { Clock } from '../../../src/clock.ts';
import { UnavailableError } from '../../../src/errors.ts';
import type { NewPush, OutboxStore, OwedPush } from '../../../src/stores/outbox-store.ts';
import { openSqliteOutboxStore } from '../../../src/stores/sqlite/sqlite-outbox-store.ts';
import { makeTempDir } from '../make-temp-dir.ts';

const directory = makeTempDir();
after(directory.remove);
let serial = 0;
const newPath = (): string => `${directory.path}/outbox${++serial}.db`;

const HOUR = 3_600_000;

class TestClock implements Clock {
  time = 1_700_000_000_000;
  now(): number {
    return this.time;
  }
  monotonic(): number {
    return this.time;
  }
}

function push(dedupeKey: string, change: Partial<NewPush> = {}): NewPush {
  return {
    user: 'alice@example.org',
    subscriptionId: 's1',
    endpoint: 'https://push.example.com/abc',
    kind: 'message',
    payload: `{"subject":"Grüße 🙂 \\u0000 of ${dedupeKey}"}`,
    urgency: 'high',
    createdAt: 1_700_000_000_123,
    expiresAt: 1_700_086_400_000,
    dedupeKey,
    ...change,
  };
}

async function open(
  path = newPath(),
  clock: Clock = new TestClock(),
  rememberMsecs = HOUR,
): Promise<OutboxStore> {
  return openSqliteOutboxStore(path, { rememberMsecs, clock, busyTimeoutMsecs: 50 });
}

const keys = (pushes: readonly OwedPush[]): string[] => pushes.map(({ dedupeKey }) => dedupeKey);
const ids = (pushes: readonly OwedPush[]): number[] => pushes.map(({ id }) => id);

/** A number that a query on the file gives, seen from outside. */
function query(path: string, sql: string): number {
  const db = new DatabaseSync(path, { readOnly: true });
  const row = db.prepare(sql).get() ?? {};
  db.close();
  return Number(Object.values(row)[0]);
}

describe('the outbox', () => {
  it('gives pushes back as they were, across a restart', async () => {
    const path = newPath();
    const first = await open(path);
    const wanted = [
      push('a'),
      push('b', { kind: 'validation', urgency: 'very-low' }),
      push('c\t\n"', { kind: 'test', payload: '', user: 'Jörg\t', urgency: 'normal' }),
    ];
    const added = await first.add(wanted);
    assert.deepEqual(
      added,
      wanted.map((one, index) => ({
        ...one,
        id: added[index]!.id,
        attempts: 0,
        unanswered: 0,
        nextAttemptAt: 0,
      })),
    );
    await first.close();
    const second = await open(path);
    assert.deepEqual(await second.page(0, 10), added);
    await second.close();
  });

  it('leaves out what is already owed, within one call too', async () => {
    const outbox = await open();
    assert.deepEqual(keys(await outbox.add([push('a'), push('b'), push('a')])), ['a', 'b']);
    assert.deepEqual(keys(await outbox.add([push('b'), push('c')])), ['c']);
    const together = await Promise.all([1, 2, 3].map(() => outbox.add([push('d')])));
    assert.equal(together.flat().length, 1);
    assert.deepEqual(keys(await outbox.page(0, 10)), ['a', 'b', 'c', 'd']);
    assert.deepEqual(await outbox.add([]), []);
    await outbox.close();
  });

  it('leaves out what was settled within the time that it remembers, and no longer', async () => {
    const path = newPath();
    const clock = new TestClock();
    const first = await open(path, clock);
    await first.settle(ids(await first.add([push('a')])));
    clock.time += HOUR - 1;
    assert.deepEqual(await first.add([push('a')]), []);
    await first.close();
    const second = await open(path, clock);
    assert.deepEqual(await second.add([push('a')]), []);
    clock.time += 1;
    assert.deepEqual(keys(await second.add([push('a')])), ['a']);
    await second.settle(ids(await second.page(0, 10)));
    assert.deepEqual(await second.add([push('a')]), []);
    await second.close();
  });

  it('can remember nothing', async () => {
    const path = newPath();
    const outbox = await open(path, new TestClock(), 0);
    for (let round = 0; round < 3; round++) {
      const owed = await outbox.add([push('a')]);
      assert.equal(owed.length, 1);
      await outbox.settle(ids(owed));
    }
    await outbox.close();
    assert.equal(query(path, 'SELECT count(*) FROM settled'), 0);
  });

  it('forgets settled pushes in the end, on disk too', async () => {
    const path = newPath();
    const clock = new TestClock();
    const outbox = await open(path, clock);
    const settleMany = async (prefix: string): Promise<void> => {
      const owed = await outbox.add(Array.from({ length: 500 }, (_, n) => push(`${prefix}${n}`)));
      await outbox.settle(ids(owed));
    };
    await settleMany('a');
    assert.equal(query(path, 'SELECT count(*) FROM settled'), 500);
    clock.time += HOUR;
    await settleMany('b');
    assert.equal(query(path, 'SELECT count(*) FROM settled'), 500);
    await outbox.close();
  });

  it('settles what it has, and does not mind the rest', async () => {
    const outbox = await open();
    const owed = await outbox.add([push('a'), push('b'), push('c')]);
    await outbox.settle([owed[0]!.id, owed[2]!.id, 4711, owed[0]!.id]);
    assert.deepEqual(keys(await outbox.page(0, 10)), ['b']);
    await outbox.settle([]);
    await outbox.close();
  });

  it('never gives an id twice', async () => {
    const path = newPath();
    const first = await open(path, new TestClock(), 0);
    const [before] = await first.add([push('a')]);
    await first.settle([before!.id]);
    await first.close();
    const second = await open(path, new TestClock(), 0);
    const [afterwards] = await second.add([push('b')]);
    assert(afterwards!.id > before!.id);
    await second.close();
  });

  it('notes failed attempts', async () => {
    const path = newPath();
    const first = await open(path);
    const [a, b] = await first.add([push('a'), push('b')]);
    await first.postpone(a!.id, { attempts: 2, unanswered: 1, nextAttemptAt: 1_700_000_009_999 });
    await first.postpone(4711, { attempts: 1, unanswered: 0, nextAttemptAt: 5 });
    await first.close();
    const second = await open(path);
    assert.deepEqual(await second.page(0, 10), [
      { ...a, attempts: 2, unanswered: 1, nextAttemptAt: 1_700_000_009_999 },
      b,
    ]);
    await second.close();
  });

  it('pages in the order of the ids', async () => {
    const outbox = await open();
    const owed = await outbox.add(Array.from({ length: 25 }, (_, n) => push(`${n}`)));
    const seen: OwedPush[] = [];
    for (let last = 0; ; last = seen.at(-1)!.id) {
      const page = await outbox.page(last, 10);
      if (page.length === 0) break;
      seen.push(...page);
    }
    assert.deepEqual(seen, owed);
    assert.deepEqual(await outbox.page(0, 0), []);
    await outbox.close();
  });

  it('answers reads with what was written before them, settles included', async () => {
    const outbox = await open();
    const [a] = await outbox.add([push('a')]);
    const settle = outbox.settle([a!.id]);
    assert.deepEqual(await outbox.page(0, 10), []);
    await settle;
    await outbox.close();
  });

  it('settles within milliseconds when nothing else is going on, and when closed', async () => {
    const path = newPath();
    const outbox = await open(path);
    const owed = await outbox.add([push('a'), push('b')]);
    await outbox.settle([owed[0]!.id]);
    const settle = outbox.settle([owed[1]!.id]);
    await outbox.close();
    await settle;
    assert.equal(query(path, 'SELECT count(*) FROM owed'), 0);
  });

  it('refuses everything once closed, and may be closed again', async () => {
    const outbox = await open();
    await outbox.check();
    await outbox.close();
    await outbox.close();
    for (const call of [
      () => outbox.add([push('a')]),
      () => outbox.settle([1]),
      () => outbox.postpone(1, { attempts: 1, unanswered: 0, nextAttemptAt: 1 }),
      () => outbox.page(0, 1),
      () => outbox.check(),
    ])
      await assert.rejects(call, UnavailableError);
  });

  it('adds nothing while its file is locked, and goes on afterwards', async () => {
    const path = newPath();
    const outbox = await open(path);
    const other = new DatabaseSync(path);
    other.exec('BEGIN EXCLUSIVE');
    await assert.rejects(outbox.add([push('a'), push('b')]), {
      name: 'UnavailableError',
      message: /is locked by another process/,
    });
    await assert.rejects(outbox.check(), UnavailableError);
    other.exec('ROLLBACK');
    other.close();
    assert.deepEqual(await outbox.page(0, 10), []);
    assert.equal((await outbox.add([push('a'), push('b')])).length, 2);
    await outbox.close();
  });

  it('adds all pushes of a call or none, and fails alone', async () => {
    const outbox = await open();
    const bad = { ...push('bad'), payload: null } as unknown as NewPush & { payload: string };
    Object.defineProperty(bad, 'payload', { value: { length: 0 }, enumerable: true });
    const results = await Promise.allSettled([
      outbox.add([push('a')]),
      outbox.add([push('b'), bad]),
      outbox.add([push('c')]),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.deepEqual(keys(await outbox.page(0, 10)), ['a', 'c']);
    await outbox.close();
  });

  it('gives the disk space of a backlog back', async () => {
    const path = newPath();
    const outbox = await open(path);
    const payload = 'x'.repeat(3000);
    const owed = await outbox.add(
      Array.from({ length: 6500 }, (_, n) => push(`${n}`, { payload })),
    );
    await outbox.close();
    const grown = statSync(path).size;
    assert(grown > 20_000_000);
    const again = await open(path);
    while (owed.length > 0) await again.settle(ids(owed.splice(0, 64)));
    await again.close();
    const left = statSync(path).size;
    assert(left < 0.85 * grown, `${left} of ${grown} octets`);
  });
});
