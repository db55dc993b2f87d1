import type { DatabaseSync } from 'node:sqlite';
import type { Schema } from './migrate.ts';

/** What a writer does in a database: one per purpose, see {@link ./job-runners.ts}. */
export interface JobRunner<Job, Result, Options> {
  schema: Schema;
  /** Prepares its statements on `db`; what it returns runs within a transaction. */
  prepare(db: DatabaseSync, options: Options): (job: Job) => Result;
}
