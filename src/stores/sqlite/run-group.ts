import type { DatabaseSync } from 'node:sqlite';

export type Outcome<Result> = { value: Result } | { error: unknown };

/** Thrown by a job that takes its own changes back and is answered with `value` all the same. */
export class RolledBack<Result> extends Error {
  readonly value: Result;

  constructor(value: Result) {
    super('The job took its changes back.');
    this.value = value;
  }
}

/**
 * Runs `jobs` in their order in one transaction, so that they share one fsync. One that throws
 * leaves nothing behind and does not harm the others.
 *
 * Jobs rarely throw, so the group first runs without savepoints (they cost as much again as a small
 * job); when one throws, all is taken back and run again with a savepoint for each, and when even
 * the commit fails (the disk is full: what is too large must not take the small ones with it), each
 * job runs in a transaction of its own. A job must therefore change nothing but the database.
 *
 * @returns for each job what `run` returned or threw; a value only if it is committed
 */
export function runGroup<Job, Result>(
  db: DatabaseSync,
  jobs: readonly Job[],
  run: (job: Job) => Result,
): Outcome<Result>[] {
  try {
    db.exec('BEGIN IMMEDIATE');
  } catch (error) {
    return jobs.map(() => ({ error }));
  }
  const apart = (job: Job): Outcome<Result> => runApart(db, job, run);
  try {
    return transact(db, jobs, (job) => ({ value: run(job) }));
  } catch (error) {
    if (jobs.length === 1) return [toOutcome(error)];
  }
  try {
    db.exec('BEGIN IMMEDIATE');
    return transact(db, jobs, apart);
  } catch {
    return jobs.flatMap((job) => runGroup(db, [job], run));
  }
}

/** Commits and returns what `work` made of each job, or rolls back and throws. */
function transact<Job, T>(db: DatabaseSync, jobs: readonly Job[], work: (job: Job) => T): T[] {
  try {
    const results = jobs.map(work);
    db.exec('COMMIT');
    return results;
  } catch (error) {
    // SQLite rolls back by itself after some errors (https://sqlite.org/lang_transaction.html).
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/** @throws the error of a job that took the whole transaction with it */
function runApart<Job, Result>(
  db: DatabaseSync,
  job: Job,
  run: (job: Job) => Result,
): Outcome<Result> {
  db.exec('SAVEPOINT job');
  try {
    const value = run(job);
    db.exec('RELEASE job');
    return { value };
  } catch (error) {
    if (!db.isTransaction) throw error;
    db.exec('ROLLBACK TO job');
    db.exec('RELEASE job');
    return toOutcome(error);
  }
}

const toOutcome = <Result>(error: unknown): Outcome<Result> =>
  error instanceof RolledBack ? { value: error.value as Result } : { error };
