import { statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { UnavailableError } from '../../errors.ts';
import {
  explainOpening,
  explainSqliteError,
  isDamage,
  isDamageAtOpening,
  needsReopening,
} from './explain-sqlite-error.ts';
import { jobRunners } from './job-runners.ts';
import type { JobRunner } from './job-runner.ts';
import { openWritable } from './open-writable.ts';
import { toPortableError } from './portable-error.ts';
import { runGroup, type Outcome } from './run-group.ts';
import { DamagedFile, salvage } from './salvage.ts';
import type { PortableOutcome, ReplacedFile, WriterSetup } from './writer-messages.ts';

export interface SessionParts {
  setup: WriterSetup;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** Told when a damaged file was replaced. */
  onReplaced: (replaced: ReplacedFile) => void;
}

/** The writer thread's connection: opened when needed, and anew after a damage. */
export class WriterSession {
  readonly #parts: SessionParts;
  readonly #setup: WriterSetup;
  // The purpose decides the types of jobs and options; both come from the same main-thread class.
  readonly #runner: JobRunner<unknown, unknown, unknown>;
  #inode: number;
  #open: OpenSession | undefined;
  /** Whether the write-ahead log may have what the database has not, or not any more. */
  #logged = true;
  readonly #damaged: DamagedFile;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#setup = parts.setup;
    this.#inode = parts.setup.inode;
    this.#damaged = new DamagedFile(parts.setup.path);
    this.#runner = jobRunners[parts.setup.purpose] as JobRunner<unknown, unknown, unknown>;
  }

  /** @throws the file cannot be opened: SQLite's own error, or an UnavailableError */
  open(): OpenSession {
    try {
      return this.#tryToOpen();
    } catch (error) {
      if (!this.#runner.replaceable || !isDamageAtOpening(error)) throw error;
      this.#replaceFile();
      return this.#tryToOpen();
    }
  }

  runAll(jobs: readonly unknown[]): PortableOutcome[] {
    try {
      let outcomes = this.#runGroup(jobs);
      if (this.#runner.replaceable && outcomes.some((it) => 'error' in it && isDamage(it.error))) {
        this.close();
        this.#replaceFile();
        outcomes = this.#runGroup(jobs);
      }
      if (outcomes.some((it) => 'error' in it && needsReopening(it.error))) this.close();
      return outcomes.map((outcome) => this.#toPortable(outcome));
    } catch (error) {
      const explained = explainOpening(error, this.#setup.path);
      return jobs.map(() => ({ error: toPortableError(explained) }));
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

  #tryToOpen(): OpenSession {
    const { path, busyTimeoutMsecs, options } = this.#setup;
    let db: DatabaseSync | undefined;
    try {
      this.#checkFile();
      if (this.#runner.replaceable === true) this.#damaged.gather();
      db = openWritable(path, this.#runner.schema, busyTimeoutMsecs);
      if (this.#runner.replaceable === true) this.#salvage(db);
      const damagedRows = this.#runner.setDamagedAside?.(db) ?? 0;
      const run = this.#runner.prepare(db, options);
      this.#open = { db, run, synchronous: true, damagedRows };
      return this.#open;
    } catch (error) {
      db?.close();
      throw error;
    }
  }

  #runGroup(jobs: readonly unknown[]): Outcome<unknown>[] {
    const runner = this.#runner;
    this.#checkFile();
    const session = this.#open ?? this.open();
    setSynchronous(session, !jobs.every((job) => runner.mayBeLost?.(job) ?? false));
    this.#logged = true;
    const outcomes = runGroup(session.db, jobs, session.run);
    if (jobs.some((job) => runner.emptiesLog?.(job) ?? false))
      this.emptyLog(this.#setup.busyTimeoutMsecs);
    return outcomes;
  }

  /** The new file is empty until it is opened; what the damaged one has comes into it then. */
  #replaceFile(): void {
    this.#inode = this.#damaged.setAside(this.#parts.now());
    this.#parts.onReplaced({ aside: this.#damaged.waiting, inode: this.#inode, salvaged: 0 });
  }

  /** What this process set aside, or one before it that ended too early. */
  #salvage(db: DatabaseSync): void {
    const now = this.#parts.now();
    const { waiting } = this.#damaged;
    const done = this.#damaged.salvage(now, () => salvage(db, waiting, now));
    if (done !== undefined) this.#parts.onReplaced({ ...done, inode: this.#inode });
  }

  /** SQLite would go on writing to a file that was removed, or begin with an empty one. */
  #checkFile(): void {
    const { path } = this.#setup;
    if (statSync(path, { throwIfNoEntry: false })?.ino !== this.#inode)
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
  /** Whether commits wait for the disk. */
  synchronous: boolean;
  damagedRows: number;
}

/** NORMAL in WAL mode: a commit reaches the file, and the disk with the next that is FULL. */
function setSynchronous(session: OpenSession, synchronous: boolean): void {
  if (session.synchronous === synchronous) return;
  session.db.exec(`PRAGMA synchronous = ${synchronous ? 'FULL' : 'NORMAL'}`);
  session.synchronous = synchronous;
}
