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
  it('gives back what was kept and not forgotten, after the file was opened anew', async () => {
    const path = `${directory.path}/journal${++serial}.db`;
    const first = await open(path);
    const all = ['alice', 'bob', 'carol', 'alice'].map((name) => first.journal.keep(entry(name)));
    await Promise.all(all.map(({ kept }) => kept));
    const ids = all.map(({ id }) => id);
    void first.journal.forget([ids[1]!]);
    assert.equal(first.journal.waiting(), 4);
    await first.close();
    const { journal, close } = bound(await open(path));
    assert.equal(journal.waiting(), 3);
    assert.deepEqual(await journal.users('', 10), ['alice', 'carol']);
    assert.deepEqual(await journal.users('alice', 10), ['carol']);
    const alices = [ids[0], ids[3]].map((id) => ({ id, ...entry('alice') }));
    assert.deepEqual(await journal.pageOf('alice', 0, 10), { entries: alices, isLast: true });
    const page = await journal.pageOf('alice', 0, 1);
    assert.deepEqual(page, { entries: alices.slice(0, 1), isLast: false });
    assert.deepEqual((await journal.pageOf('alice', ids[0]!, 10)).entries, alices.slice(1));
    assert.equal(await journal.oldest(), 1_700_000_000_123);
    assert.ok(journal.keep(entry('dave')).id > Math.max(...ids), 'ids do not come back');
    await close();
  });

  it('takes along what was forgotten with what is kept next', async () => {
    const { journal, close } = bound(await open(`${directory.path}/journal${++serial}.db`));
    const first = journal.keep(entry('alice'));
    await first.kept;
    const gone = journal.forget([first.id]);
    await journal.keep(entry('bob')).kept;
    await gone;
    assert.deepEqual(await journal.users('', 10), ['bob']);
    assert.equal(journal.waiting(), 1);
    await close();
  });

  it('is empty in a while when nothing is kept any more', async () => {
    const { journal, close } = bound(await open(`${directory.path}/journal${++serial}.db`));
    const { id, kept } = journal.keep(entry('alice'));
    await kept;
    await journal.forget([id]);
    assert.deepEqual([journal.waiting(), await journal.users('', 1)], [0, []]);
    await close();
  });

  it('notes how far a log was read in the same commit as what stood there', async () => {
    const path = `${directory.path}/journal${++serial}.db`;
    const { journal, close } = bound(await open(path));
    await journal.beginLog('18446744073709551615');
    const log = { inode: '18446744073709551615', position: 77 };
    await journal.takeIn({ log, entries: [entry('alice')], setAside: [] });
    const unkept = { ...entry('bob'), receivedAt: 0.5 }; // no INTEGER
    const failing = { log: { ...log, position: 99 }, entries: [unkept], setAside: [] };
    await assert.rejects(journal.takeIn(failing));
    await close();
    const again = bound(await open(path));
    assert.deepEqual([...(await again.journal.positions())], [['18446744073709551615', 77]]);
    assert.deepEqual(await again.journal.users('', 10), ['alice']);
    assert.equal(again.journal.waiting(), 1);
    await again.journal.endLog('18446744073709551615');
    assert.equal((await again.journal.positions()).size, 0);
    await again.close();
  });
});

const bound = (outbox: Awaited<ReturnType<typeof open>>) => ({
  journal: outbox.journal,
  close: () => outbox.close(),
});
