import { addToDecimal } from '../add-to-decimal.ts';
import { limitsOf, type AnnotationLimits, type Excess, type Usage } from '../annotation-limits.ts';
import type { CommitResult } from '../store.ts';
import { prepareCounting } from './count-annotations.ts';
import { PROBE, type JobRunner } from './job-runner.ts';
import { RolledBack } from './run-group.ts';

/** As they travel to the writer: `Change` and `Expectation` with octets that may cross threads. */
export type EntryChange =
  | { op: 'set'; key: string; value: Uint8Array }
  | { op: 'unset'; key: string }
  | { op: 'increment'; key: string; by: number }
  | { op: 'expect'; key: string; value: Uint8Array | undefined };

export type EntriesResult = CommitResult | 'overtaken' | { excess: Excess } | Usage;

export type EntriesJob =
  | { op: 'commit'; user: string; changes: readonly EntryChange[] }
  | { op: 'usage'; user: string; scope: string }
  /** Writes for the sake of writing: fails whenever a commit would. */
  | { op: 'check' }
  /** What was removed leaves the write-ahead log, too. */
  | { op: 'scrub' };

/**
 * Not WITHOUT ROWID: with values of 700 octets and more (subscriptions, mail-crypt keys) the plain
 * table with its unique index was up to three times as fast, and as large; only with tiny values
 * is it larger.
 */
const VERSION_1 = `
  CREATE TABLE entries (
    user TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (user, key)
  ) STRICT;
  CREATE TABLE probe (id INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;
`;

/** Octets, whatever a damaged table holds: a number that is too large for JavaScript is an error. */
export const GET_VALUE =
  'SELECT CAST(value AS BLOB) AS value FROM entries WHERE user = ? AND key = ?';
/**
 * What is counted of each user; a row is made with the first change after it was missing, so that this
 * migration reads nothing, be it much or damaged.
 */
const VERSION_2 = `
  CREATE TABLE usage (
    user TEXT NOT NULL,
    scope TEXT NOT NULL,
    entries INTEGER NOT NULL,
    octets INTEGER NOT NULL,
    PRIMARY KEY (user, scope)
  ) STRICT, WITHOUT ROWID;
`;

/** Users' entries: the writing half of the SQLite store. */
export const entries: JobRunner<EntriesJob, EntriesResult, AnnotationLimits> = {
  // "COIs"
  schema: { applicationId: 0x434f4973, migrations: [VERSION_1, VERSION_2] },

  emptiesLog: ({ op }) => op === 'scrub',

  prepare(db, limits) {
    const counting = prepareCounting(db);
    const set = db.prepare(
      // Node 22 binds octets without a length, once they have crossed threads, as NULL.
      "INSERT INTO entries (user, key, value) VALUES (?, ?, coalesce(?, x'')) " +
        'ON CONFLICT (user, key) DO UPDATE SET value = excluded.value',
    );
    const unset = db.prepare('DELETE FROM entries WHERE user = ? AND key = ?');
    const get = db.prepare(GET_VALUE);
    const probe = db.prepare(PROBE);

    const apply = (user: string, change: EntryChange): void => {
      switch (change.op) {
        case 'set':
          counting.note(user, change.key, change.value.length);
          set.run(user, change.key, change.value);
          return;
        case 'unset':
          counting.note(user, change.key, undefined);
          unset.run(user, change.key);
          return;
        case 'increment': {
          const old = get.get(user, change.key)?.['value'];
          if (!(old instanceof Uint8Array)) throw new RolledBack<EntriesResult>('missing');
          const sum = addToDecimal(old, change.by);
          counting.note(user, change.key, sum.length);
          set.run(user, change.key, sum);
          return;
        }
        case 'expect':
      }
    };

    const isAsExpected = (user: string, change: EntryChange): boolean => {
      if (change.op !== 'expect') return true;
      const value = get.get(user, change.key)?.['value'];
      if (!(value instanceof Uint8Array)) return change.value === undefined;
      return change.value !== undefined && Buffer.compare(value, change.value) === 0;
    };

    return (job) => {
      if (job.op === 'check') probe.run();
      if (job.op === 'usage') return counting.usage(job.user, job.scope);
      if (job.op !== 'commit') return 'committed';
      const { user, changes } = job;
      if (!changes.every((change) => isAsExpected(user, change))) return 'overtaken';
      counting.begin();
      for (const change of changes) apply(user, change);
      const excess = counting.settle(user, limitsOf(limits, changes));
      if (excess) throw new RolledBack<EntriesResult>({ excess });
      return 'committed';
    };
  },
};
