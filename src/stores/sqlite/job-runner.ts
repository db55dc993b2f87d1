import type { DatabaseSync } from 'node:sqlite';
import type { Schema } from './migrate.ts';

/** What a writer does in a database: one per purpose, see {@link ./job-runners.ts}. */
export interface JobRunner<Job, Result, Options> {
  schema: Schema;
  /**
   * Whether a damaged file gives its place to a new one, with what can be read of it: for what may be
   * lost rather than stand still. Others wait to be put right.
   */
  replaceable?: boolean;
  /**
   * Sets rows aside that are of no use, whoever wrote them, and may fail at it.
   *
   * @returns how many there are
   */
  setDamagedAside?(db: DatabaseSync): number;
  /**
   * Whether a power failure may undo the job, though it was answered: such jobs do not wait for the
   * disk, unless others of their group do. The end of this process undoes nothing in any case.
   */
  mayBeLost?(job: Job): boolean;
  /** Whether the write-ahead log is to be emptied with the job: it has what was removed since. */
  emptiesLog?(job: Job): boolean;
  /** Prepares its statements on `db`; what it returns runs within a transaction. */
  prepare(db: DatabaseSync, options: Options): (job: Job) => Result;
}

/** Writes, whatever the row in the table `probe` holds: a count that only grows comes to an end. */
export const PROBE =
  'INSERT INTO probe VALUES (1, 1) ON CONFLICT DO UPDATE SET count = (count IS NOT 1)';
