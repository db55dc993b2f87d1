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
      this.#open = { db, run: runner.prepare(db, options), mayBeLost, synchronous: true };
      return this.#open;
    } catch (error) {
      db?.close();
      throw explainSqliteError(error, path);
    }
  }

  runAll(jobs: readonly unknown[]): PortableOutcome[] {
    try {
      this.#checkFile();
      const session = this.#open ?? this.open();
      const { db, run } = session;
      setSynchronous(session, !jobs.every((job) => session.mayBeLost(job)));
      const outcomes = runGroup(db, jobs, run);
      if (outcomes.some((outcome) => 'error' in outcome && needsReopening(outcome.error)))
        this.close();
      return outcomes.map((outcome) => this.#toPortable(outcome));
    } catch (error) {
      return jobs.map(() => this.#toPortable({ error }));
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
  /** Whether commits wait for the disk. */
  synchronous: boolean;
}

/** NORMAL in WAL mode: a commit reaches the file, and the disk with the next that is FULL. */
function setSynchronous(session: OpenSession, synchronous: boolean): void {
  if (session.synchronous === synchronous) return;
  session.db.exec(`PRAGMA synchronous = ${synchronous ? 'FULL' : 'NORMAL'}`);
  session.synchronous = synchronous;
}
