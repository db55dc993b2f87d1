import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { NewJournalEntry } from '../../../src/stores/event-journal.ts';
import { openSqliteOutboxStore } from '../../../src/stores/sqlite/sqlite-outbox-store.ts';
import { makeTempDir } from '../make-temp-dir.ts';

const directory = makeTempDir();
after(directory.remove);
let serial = 0;

const open = (path: string) => openSqliteOutboxStore(path, { rememberMsecs: 1_000 });
const entry = (name: string): NewJournalEntry => ({
  ...{ user: name, transaction: `{"user":"${name}","events":[]}`, receivedAt: 1_700_000_000_123 },
});

describe('the event journal', () => {
  it('gives back what was kept and not forgotten, in order, after the file was opened anew', async () => {
    const path = `${directory.path}/journal${++serial}.db`;
    const first = await open(path);
    const ids = await Promise.all(['alice', 'bob', 'carol'].map((name) => first.keep(entry(name))));
    first.forget(ids[1] ?? 0);
    await first.close();
    const second = await open(path);
    const left = [
      { id: ids[0], ...entry('alice') },
      { id: ids[2], ...entry('carol') },
    ];
    assert.deepEqual(await second.kept(), left);
    const next = await second.keep(entry('dave'));
    assert.ok(next > Math.max(...ids), 'ids do not come back');
    await second.close();
  });

  it('takes along what was forgotten with what is kept next', async () => {
    const store = await open(`${directory.path}/journal${++serial}.db`);
    store.forget(await store.keep(entry('alice')));
    await store.keep(entry('bob'));
    assert.deepEqual(
      (await store.kept()).map(({ user }) => user),
      ['bob'],
    );
    await store.close();
  });

  it('is empty in a while when nothing is kept any more', async () => {
    const store = await open(`${directory.path}/journal${++serial}.db`);
    store.forget(await store.keep(entry('alice')));
    while ((await store.kept()).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    await store.close();
  });
});
