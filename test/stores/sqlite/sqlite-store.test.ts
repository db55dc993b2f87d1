import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { AnnotationLimitError, OWN_SCOPE } from '../../../src/stores/annotation-limits.ts';
import { entries } from '../../../src/stores/sqlite/entries.ts';
import { migrate } from '../../../src/stores/sqlite/migrate.ts';
import { openSqliteStore } from '../../../src/stores/sqlite/sqlite-store.ts';
import { LIMITS, testAnnotationContract } from '../annotation-contract.ts';
import { makeTempDir } from '../make-temp-dir.ts';
import { testStoreContract } from '../store-contract.ts';
import { teardownOf } from '../../support/create-teardown.ts';

testStoreContract('sqlite', async () => {
  const directory = makeTempDir();
  return {
    store: await openSqliteStore(`${directory.path}/state.db`),
    dispose: directory.remove,
  };
});

testAnnotationContract('sqlite', async (limits) => {
  const directory = makeTempDir();
  return {
    store: await openSqliteStore(`${directory.path}/state.db`, { limits }),
    dispose: directory.remove,
  };
});

describe('the counters of an SQLite store', () => {
  it('are right for what was stored before there were any', async (t) => {
    const directory = makeTempDir();
    teardownOf(t).defer(directory.remove);
    const path = `${directory.path}/state.db`;
    const old = new DatabaseSync(path);
    old.exec('PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL');
    migrate(old, { ...entries.schema, migrations: entries.schema.migrations.slice(0, 1) }, path);
    const insert = old.prepare('INSERT INTO entries VALUES (?, ?, ?)');
    for (let n = 0; n < LIMITS.own.entries; n++) insert.run('old', `priv/é${n}`, Buffer.from('x'));
    insert.run('old', 'coi/config/enabled', Buffer.from('yes'));
    insert.run('', 'shared/1/a', Buffer.from('x'));
    old.close();

    const store = await openSqliteStore(path, { limits: LIMITS });
    teardownOf(t).defer(() => store.close());
    const full = store.commit('old', [{ op: 'set', key: 'priv/more', value: Buffer.alloc(0) }]);
    await assert.rejects(full, AnnotationLimitError);
    const { entries: number, octets } = await store.usage('old', OWN_SCOPE);
    const stored = await store.list('old', 'priv/');
    assert.equal(number, stored.length);
    assert.equal(
      octets,
      stored.reduce((sum, { key, value }) => sum + Buffer.byteLength(key) + value.length, 0),
    );
    assert.deepEqual(await store.usage('', 'shared/1'), { entries: 1, octets: 11 });
  });

  it('leave nothing of a user of whom nothing is left', async (t) => {
    const directory = makeTempDir();
    teardownOf(t).defer(directory.remove);
    const path = `${directory.path}/state.db`;
    const store = await openSqliteStore(path);
    await store.commit('gone', [{ op: 'set', key: 'priv/a', value: Buffer.from('1') }]);
    await store.commit('gone', [{ op: 'unset', key: 'priv/a' }]);
    await store.close();
    const db = new DatabaseSync(path);
    teardownOf(t).defer(() => db.close());
    assert.deepEqual(db.prepare('SELECT * FROM usage').all(), []);
  });

  it('do not make it wait: a list of much leaves others their turn', async (t) => {
    const directory = makeTempDir();
    teardownOf(t).defer(directory.remove);
    const store = await openSqliteStore(`${directory.path}/state.db`);
    teardownOf(t).defer(() => store.close());
    const value = Buffer.alloc(50_000, 'v');
    for (let n = 0; n < 600; n += 60) {
      await store.commit(
        'much',
        Array.from({ length: 60 }, (_, m) => ({ op: 'set' as const, key: `priv/${n + m}`, value })),
      );
    }
    let turns = 0;
    const turning = setInterval(() => (turns += 1), 0);
    let pages = 0;
    for await (const page of store.pages('much', '')) pages += page.length > 0 ? 1 : 0;
    clearInterval(turning);
    assert(pages >= 300);
    assert(turns >= 5, `${turns} turns`);
  });
});

describe('a commit to an SQLite store', () => {
  it('keeps no second copy of a large value while it waits', async (t) => {
    const directory = makeTempDir();
    teardownOf(t).defer(() => directory.remove());
    const store = await openSqliteStore(`${directory.path}/state.db`);
    teardownOf(t).defer(() => store.close());
    const octets = 8 * 1_024 * 1_024;
    const value = Buffer.alloc(octets, 'v');
    const before = process.memoryUsage().arrayBuffers;
    const committed = store.commit('anna', [{ op: 'set', key: 'priv/a', value }]);
    assert.ok(process.memoryUsage().arrayBuffers - before < octets / 2);
    await committed;
    assert.deepEqual(await store.get('anna', 'priv/a'), value);
  });
});
