import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, it } from 'node:test';
import type { NewPush } from '../../../src/stores/outbox-store.ts';
import { openSqliteOutboxStore } from '../../../src/stores/sqlite/sqlite-outbox-store.ts';
import { openSqliteStore } from '../../../src/stores/sqlite/sqlite-store.ts';
import { eventually } from '../../support/start-stage.ts';
import { makeTempDir } from '../make-temp-dir.ts';
import { teardownOf } from '../../support/create-teardown.ts';

const directory = makeTempDir();
after(directory.remove);
let serial = 0;
const newPath = (): string => `${directory.path}/${++serial}.db`;

/** How often a text stands in the database's file or in its log. */
function occurrences(path: string, text: string): number {
  return [path, `${path}-wal`]
    .filter((file) => existsSync(file))
    .reduce((sum, file) => sum + readFileSync(file, 'latin1').split(text).length - 1, 0);
}

const secret = (index: number): string => `secret of ${index};`;

const push = (index: number, user: string): NewPush => ({
  user,
  subscriptionId: `s${index}`,
  endpoint: `https://push.example.net/${index}`,
  kind: 'message',
  payload: secret(index).repeat(1 + (index % 97)),
  urgency: 'high',
  createdAt: 1,
  expiresAt: 1_000 + ((index * 7_919) % 1_000),
  dedupeKey: `${user} ${index}`,
});

describe('what is removed from a database', () => {
  it('leaves the file and its log with the next emptying: pushes that were sent', async (t) => {
    const path = newPath();
    const outbox = await openSqliteOutboxStore(path, { rememberMsecs: 1_000, emptyLogMsecs: 50 });
    teardownOf(t).defer(() => outbox.close());
    const added = await outbox.add(Array.from({ length: 2_000 }, (_, n) => push(n, `user${n}`)));
    assert.ok(occurrences(path, 'secret of') > 1_000);
    const [kept] = added;
    for (const { id } of added.toSorted((a, b) => ((a.id * 31) % 2_000) - ((b.id * 31) % 2_000))) {
      if (id !== kept?.id) await outbox.settle([id]);
    }
    await eventually(() => assert.equal(occurrences(path, 'secret of'), 1), 30_000);
    assert.equal((await outbox.page(0, 10)).length, 1);
  });

  it('leaves them at once where a user is forgotten', async (t) => {
    const path = newPath();
    const outbox = await openSqliteOutboxStore(path, { rememberMsecs: 1_000 });
    teardownOf(t).defer(() => outbox.close());
    await outbox.add(
      Array.from({ length: 1_000 }, (_, n) => push(n, n % 3 ? 'anna' : 'b.obermann')),
    );
    const receivedAt = 1;
    const { journal } = outbox;
    await journal.keep({ user: 'b.obermann', transaction: '{ "to": "b.obermann" }', receivedAt })
      .kept;
    await journal.keep({ user: 'anna', transaction: '{}', receivedAt }).kept;
    assert.equal((await outbox.forgetUser('b.obermann')).length, 334);
    assert.equal(await journal.forgetEvents('b.obermann'), 1);
    assert.deepEqual(await journal.users('', 10), ['anna']);
    assert.equal(occurrences(path, 'b.obermann'), 0);
    assert.equal((await outbox.page(0, 1_000)).length, 666);
    assert.deepEqual(await outbox.forgetUser('b.obermann'), []);
  });

  it('leaves them at once where the store is scrubbed', async (t) => {
    const path = newPath();
    const store = await openSqliteStore(path);
    teardownOf(t).defer(() => store.close());
    const keys = Array.from({ length: 300 }, (_, n) => `priv/${(n * 7_919) % 1_000}/comment`);
    for (const [n, key] of keys.entries()) {
      const value = Buffer.from(secret(n).repeat(n));
      await store.commit(n % 3 ? 'anna' : 'b.obermann', [{ op: 'set', key, value }]);
    }
    assert.ok(occurrences(path, 'b.obermann') > 0);
    const gone = await store.list('b.obermann', '');
    await store.commit(
      'b.obermann',
      gone.map(({ key }) => ({ op: 'unset' as const, key })),
    );
    await store.scrub();
    assert.equal(occurrences(path, 'b.obermann'), 0);
    assert.equal(occurrences(path, secret(3)), 0);
    assert.equal((await store.list('anna', '')).length, 200);
  });

  it('waits for no other process that reads', async (t) => {
    const path = newPath();
    const store = await openSqliteStore(path, { busyTimeoutMsecs: 50, emptyLogMsecs: 50 });
    teardownOf(t).defer(() => store.close());
    await store.commit('anna', [{ op: 'set', key: 'a', value: Buffer.from('before') }]);
    const reader = new DatabaseSync(path, { readOnly: true });
    reader.exec('BEGIN; SELECT * FROM entries');
    await store.commit('anna', [{ op: 'set', key: 'a', value: Buffer.from('after') }]);
    await store.scrub();
    assert.equal((await store.get('anna', 'a'))?.toString(), 'after');
    assert.ok(occurrences(path, 'before') > 0);
    reader.close();
    await eventually(() => assert.equal(occurrences(path, 'before'), 0));
  });
});
