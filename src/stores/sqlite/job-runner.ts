import type { DatabaseSync } from 'node:sqlite';
import type { Schema } from './migrate.ts';

/** What a writer does in a database: one per purpose, see {@link ./job-runners.ts}. */
export interface JobRunner<Job, Result, Options> {
  schema: Schema;
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
