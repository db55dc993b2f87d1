import { statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { UnavailableError } from '../../errors.ts';
import { explainSqliteError, needsReopening } from './explain-sqlite-error.ts';
import { jobRunners } from './job-runners.ts';
import type { JobRunner } from './job-runner.ts';
import { openWritable } from './open-writable.ts';
import { toPortableError } from './portable-error.ts';
import { runGroup, type Outcome } from './run-group.ts';
import type { PortableOutcome, WriterSetup } from './writer-messages.ts';

/** The writer thread's connection: opened when needed, and anew after a damage. */
export class WriterSession {
  readonly #setup: WriterSetup;
  #open: OpenSession | undefined;
  /** Whether the write-ahead log may have what the database has not, or not any more. */
  #logged = true;

  constructor(setup: WriterSetup) {
    this.#setup = setup;
  }

  /** @throws UnavailableError the file cannot be opened */
  open(): OpenSession {
    const { path, purpose, busyTimeoutMsecs, options } = this.#setup;
    // The purpose decides the types of jobs and options; both come from the same main-thread class.
    const runner = jobRunners[purpose] as JobRunner<unknown, unknown, unknown>;
    let db: DatabaseSync | undefined;
    try {
      this.#checkFile();
      db = openWritable(path, runner.schema, busyTimeoutMsecs);
      const mayBeLost = (job: unknown): boolean => runner.mayBeLost?.(job) ?? false;
      const emptiesLog = (job: unknown): boolean => runner.emptiesLog?.(job) ?? false;
      const run = runner.prepare(db, options);
      this.#open = { db, run, mayBeLost, emptiesLog, synchronous: true };
      return this.#open;
    } catch (error) {
      db?.close();
      throw explainSqliteError(error, path);
    }
  }

  runAll(jobs: readonly unknown[]): PortableOutcome[] {
    const { busyTimeoutMsecs } = this.#setup;
    try {
      this.#checkFile();
      const session = this.#open ?? this.open();
      const { db, run } = session;
      setSynchronous(session, !jobs.every((job) => session.mayBeLost(job)));
      this.#logged = true;
      const outcomes = runGroup(db, jobs, run);
      if (jobs.some((job) => session.emptiesLog(job))) this.emptyLog(busyTimeoutMsecs);
      if (outcomes.some((outcome) => 'error' in outcome && needsReopening(outcome.error)))
        this.close();
      return outcomes.map((outcome) => this.#toPortable(outcome));
    } catch (error) {
      return jobs.map(() => this.#toPortable({ error }));
    }
  }

  /**
   * Brings what was committed into the database, and empties the write-ahead log: that still has the
   * pages as they were before something was removed. Left for the next time while another process
   * reads the file, or writes to it.
   *
   * @param waitMsecs how long to wait for that other process
   */
  emptyLog(waitMsecs = 0): void {
    if (!this.#logged || this.#open === undefined) return;
    const { db } = this.#open;
    try {
      db.exec(`PRAGMA busy_timeout = ${waitMsecs}`);
      const result = db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
      db.exec(`PRAGMA busy_timeout = ${this.#setup.busyTimeoutMsecs}`);
      this.#logged = result?.['busy'] !== 0;
    } catch {
      // Whoever comes next opens the file anew, and hears what is wrong with it.
      this.close();
    }
  }

  close(): void {
    this.#open?.db.close();
    this.#open = undefined;
  }

  /** SQLite would go on writing to a file that was removed, or begin with an empty one. */
  #checkFile(): void {
    const { path, inode } = this.#setup;
    if (statSync(path, { throwIfNoEntry: false })?.ino !== inode)
      throw new UnavailableError(
        `${path} was removed or replaced while in use: stop the sidecar, put the right file in ` +
          'its place, start again.',
      );
  }

  #toPortable(outcome: Outcome<unknown>): PortableOutcome {
    if ('value' in outcome) return outcome;
    return { error: toPortableError(explainSqliteError(outcome.error, this.#setup.path)) };
  }
}

interface OpenSession {
  db: DatabaseSync;
  run: (job: unknown) => unknown;
  mayBeLost: (job: unknown) => boolean;
  emptiesLog: (job: unknown) => boolean;
  /** Whether commits wait for the disk. */
  synchronous: boolean;
}

/** NORMAL in WAL mode: a commit reaches the file, and the disk with the next that is FULL. */
function setSynchronous(session: OpenSession, synchronous: boolean): void {
  if (session.synchronous === synchronous) return;
  session.db.exec(`PRAGMA synchronous = ${synchronous ? 'FULL' : 'NORMAL'}`);
  session.synchronous = synchronous;
}
