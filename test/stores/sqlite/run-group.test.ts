import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, it } from 'node:test';
import { RolledBack, runGroup } from '../../../src/stores/sqlite/run-group.ts';

describe('runGroup', () => {
  let db: DatabaseSync;
  let runs: string[];
  beforeEach(() => {
    db = new DatabaseSync(':memory:');
    db.exec('CREATE TABLE t (name TEXT UNIQUE, body BLOB)');
    runs = [];
  });

  const names = (): unknown[] =>
    db
      .prepare('SELECT name FROM t ORDER BY rowid')
      .all()
      .map((row) => row['name']);

  /** Inserts the job's name; `bad…` then throws, `back…` takes it back, `end…` ends it all. */
  const run = (job: string): string => {
    runs.push(job);
    db.prepare('INSERT INTO t (name) VALUES (?)').run(job);
    if (job.startsWith('bad')) throw new Error(job);
    if (job.startsWith('back')) throw new RolledBack(`${job} taken back`);
    if (job.startsWith('end')) {
      db.exec('ROLLBACK');
      throw new Error(job);
    }
    return `${job} done`;
  };

  it('commits all jobs in one transaction, in their order', () => {
    assert.deepEqual(runGroup(db, ['a', 'b', 'c'], run), [
      { value: 'a done' },
      { value: 'b done' },
      { value: 'c done' },
    ]);
    assert.deepEqual(names(), ['a', 'b', 'c']);
    assert.deepEqual(runs, ['a', 'b', 'c']);
    assert.equal(db.isTransaction, false);
  });

  it('takes back only what throws', () => {
    const outcomes = runGroup(db, ['a', 'bad1', 'b', 'back1', 'bad2', 'c'], run);
    assert.deepEqual(outcomes, [
      { value: 'a done' },
      { error: new Error('bad1') },
      { value: 'b done' },
      { value: 'back1 taken back' },
      { error: new Error('bad2') },
      { value: 'c done' },
    ]);
    assert.deepEqual(names(), ['a', 'b', 'c']);
    assert.equal(db.isTransaction, false);
  });

  it('runs a lone job that throws once', () => {
    assert.deepEqual(runGroup(db, ['back'], run), [{ value: 'back taken back' }]);
    assert.deepEqual(runGroup(db, ['bad'], run), [{ error: new Error('bad') }]);
    assert.deepEqual(runs, ['back', 'bad']);
    assert.deepEqual(names(), []);
  });

  it('saves the others from a job that ends the whole transaction', () => {
    const outcomes = runGroup(db, ['a', 'end', 'b', 'bad'], run);
    assert.deepEqual(outcomes, [
      { value: 'a done' },
      { error: new Error('end') },
      { value: 'b done' },
      { error: new Error('bad') },
    ]);
    assert.deepEqual(names(), ['a', 'b']);
  });

  it('lets a job see what those before it did, failed ones excepted', () => {
    const outcomes = runGroup(db, ['bad', 'a', 'a'], (job) => {
      if (job === 'bad') return run(job);
      const before = names().join();
      db.prepare('INSERT INTO t (name) VALUES (?)').run(`${job}${before.length}`);
      return before;
    });
    assert.deepEqual(outcomes.slice(1), [{ value: '' }, { value: 'a0' }]);
  });

  it('stores the small ones when a large one does not fit the disk, and grows again later', () => {
    db.exec('PRAGMA max_page_count = 20');
    const insert = (octets: number): number => {
      db.prepare('INSERT INTO t (body) VALUES (zeroblob(?))').run(octets);
      return octets;
    };
    const outcomes = runGroup(db, [10, 200_000, 20], insert);
    assert.deepEqual(outcomes[0], { value: 10 });
    assert.deepEqual(outcomes[2], { value: 20 });
    assert(outcomes[1] !== undefined && 'error' in outcomes[1]);
    assert.match(String(outcomes[1].error), /database or disk is full/);
    assert.deepEqual(db.prepare('SELECT count(*) AS n FROM t').get()?.['n'], 2);
    db.exec('PRAGMA max_page_count = 1000');
    assert.deepEqual(runGroup(db, [200_000], insert), [{ value: 200_000 }]);
  });

  it('fails all jobs, without running them, when there is no transaction to be had', () => {
    db.close();
    for (const outcome of runGroup(db, ['a', 'b'], run)) assert('error' in outcome);
    assert.deepEqual(runs, []);
  });
});
