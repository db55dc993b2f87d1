import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm, rmdir, unlink } from 'node:fs/promises';
import { errorMessage, InvalidInputError } from '../errors.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../logging.ts';
import type { EventJournal, NewJournalEntry } from '../stores/event-journal.ts';
import { parseTransaction } from './event-schema.ts';
import type { JournalWorker } from './journal-worker.ts';

/** What became of a file. */
export const SPOOL_RESULTS = ['taken', 'rejected', 'over_share'] as const;
type SpoolResult = (typeof SPOOL_RESULTS)[number];

export interface OldSpoolParts {
  /** `spool.dir`; it need not be there. */
  dir: string;
  /** Milliseconds between two looks. */
  pollInterval: number;
  journal: Pick<EventJournal, 'takeIn'>;
  worker: Pick<JournalWorker, 'begin' | 'makeRoom'>;
  clock: Clock;
  log: Logger;
  onFile: (result: SpoolResult) => void;
}

const REJECTED = 'rejected';
const MOST_REJECTED = 100;
/** As much as the HTTP service takes. */
const MOST_OCTETS = 16 * 1_048_576;
/** Files that go into the journal with one commit, unless they are large. */
const FILES_A_COMMIT = 256;
const OCTETS_A_COMMIT = 4 * 1_048_576;
const ABANDONED_MSECS = 3_600_000;
/** Neither does a pipe hold us up, nor a link lead us elsewhere: others could write to the directory. */
const AS_IT_IS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
/** What open(2) says of a link, and of a socket. */
const NOT_A_FILE = ['ELOOP', 'ENXIO'];

/** Names as octets: one outside UTF-8 could not be opened by what it is shown as. */
type Name = Buffer;

/**
 * The directory in which versions before the event logs kept what could not be handed over, one file a
 * transaction. It is read until it is empty; a script that was not replaced yet may go on writing to it.
 */
export class OldSpool {
  readonly #parts: OldSpoolParts;
  /** Files that were taken and could not be removed. */
  readonly #taken = new Set<string>();
  /** Files that stay where they are, as far as they were told of. */
  #toldOf = 0;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: OldSpoolParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer = setInterval(() => void this.takeIn(), this.#parts.pollInterval);
    void this.#removeRemains().then(() => this.takeIn());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#round;
  }

  /** Moves what is there into the journal. */
  takeIn(): Promise<void> {
    this.#round ??= this.#runRound()
      .catch((error: unknown) =>
        this.#parts.log.error(
          { dir: this.#parts.dir, reason: errorMessage(error) },
          'cannot read the spool directory',
        ),
      )
      .finally(() => (this.#round = undefined));
    return this.#round;
  }

  /** Removes a user's files among those that were set aside. @returns how many */
  async forget(user: string): Promise<number> {
    let removed = 0;
    for (const name of await namesIn(this.#at(REJECTED))) {
      const path = this.#at(REJECTED, name);
      const { octets } = await readFile(path).catch(() => ({ octets: Buffer.alloc(0) }));
      if (userIn(octets.toString()) !== user) continue;
      await unlink(path);
      removed += 1;
    }
    return removed;
  }

  async #runRound(): Promise<void> {
    const names = (await namesIn(this.#at()))
      .filter(isTransaction)
      .sort((one, other) => Buffer.compare(one, other));
    let stay = 0;
    let first = '';
    let batch: { name: Name; entry: NewJournalEntry }[] = [];
    let octets = 0;
    const commit = async (): Promise<void> => {
      const taken = batch;
      batch = [];
      octets = 0;
      await this.#keep(taken);
    };
    for (const name of names) {
      if (this.#stopped || !(await this.#parts.worker.makeRoom())) break;
      if (this.#taken.has(name.toString('latin1'))) continue;
      try {
        const entry = await this.#read(name);
        if (entry === undefined) continue;
        batch.push({ name, entry });
        octets += entry.transaction.length;
        if (batch.length >= FILES_A_COMMIT || octets >= OCTETS_A_COMMIT) await commit();
      } catch (error) {
        if (stay === 0) first = errorMessage(error);
        stay += 1;
      }
    }
    await commit();
    if (stay > this.#toldOf) {
      const facts = { dir: this.#parts.dir, files: stay, first };
      this.#parts.log.error(facts, 'files in the spool directory can be neither read nor removed');
    }
    this.#toldOf = stay;
  }

  /**
   * Undefined for a file that is gone, and for one of which nothing can be made: it is set aside.
   *
   * @throws Error it can be neither read nor set aside
   */
  async #read(name: Name): Promise<NewJournalEntry | undefined> {
    try {
      const { octets, writtenAt } = await readFile(this.#at(name));
      const transaction = parseTransaction(octets);
      if (typeof transaction === 'string') throw new InvalidInputError(transaction);
      const { user } = transaction;
      const text = octets.toString();
      const receivedAt = Math.max(0, Math.min(this.#parts.clock.now(), writtenAt));
      return { user, transaction: text, receivedAt };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      await this.#reject(name);
      this.#parts.onFile('rejected');
      return undefined;
    }
  }

  async #keep(taken: readonly { name: Name; entry: NewJournalEntry }[]): Promise<void> {
    if (taken.length === 0) return;
    const entries = taken.map(({ entry }) => entry);
    const overShare = await this.#parts.journal.takeIn({ entries, setAside: [] });
    for (const [index, { name }] of taken.entries()) {
      await unlink(this.#at(name)).catch((error: unknown) => {
        this.#taken.add(name.toString('latin1'));
        this.#parts.log.error(
          { dir: this.#parts.dir, reason: errorMessage(error) },
          'a file in the spool directory was taken and cannot be removed: remove it',
        );
      });
      this.#parts.onFile(index < overShare ? 'over_share' : 'taken');
    }
    this.#parts.worker.begin();
  }

  async #reject(name: Name): Promise<void> {
    const aside = this.#at(REJECTED);
    await mkdir(aside, { recursive: true });
    if (!(await lstat(aside)).isDirectory()) throw new Error('rejected is a link: remove it');
    await rename(this.#at(name), this.#at(REJECTED, name));
    const names = (await namesIn(aside)).sort((one, other) => Buffer.compare(one, other));
    for (const old of names.slice(0, Math.max(0, names.length - MOST_REJECTED))) {
      await rm(this.#at(REJECTED, old), { recursive: true, force: true });
    }
  }

  /** What the scripts before left, and the marks of a service before: they would hide users' mail. */
  async #removeRemains(): Promise<void> {
    await unlink(this.#at('.users', 'marks')).catch(() => undefined);
    await rmdir(this.#at('.users')).catch(() => undefined);
    for (const name of await namesIn(this.#at())) {
      const text = name.toString('latin1');
      if (!text.startsWith('.hold-') && !text.startsWith('.tmp-')) continue;
      const found = await lstat(this.#at(name)).catch(() => undefined);
      const age = found === undefined ? 0 : this.#parts.clock.now() - found.mtimeMs;
      if (age > ABANDONED_MSECS) await unlink(this.#at(name)).catch(() => undefined);
    }
  }

  #at(...names: (string | Name)[]): Buffer {
    const parts = [this.#parts.dir, ...names].map((name) => Buffer.from(name as string));
    return Buffer.concat(parts.flatMap((part, index) => (index === 0 ? part : [SLASH, part])));
  }
}

const SLASH = Buffer.from('/');

const isTransaction = (name: Name): boolean => {
  const text = name.toString('latin1');
  return text.endsWith('.json') && !text.startsWith('.');
};

/** @throws Error of the file system, unless it is not there */
async function namesIn(dir: Buffer): Promise<Name[]> {
  try {
    return await readdir(dir, { encoding: 'buffer' });
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}

/**
 * `writtenAt` is in milliseconds since the epoch.
 *
 * @throws InvalidInputError it is nothing that anyone would write on purpose, say a pipe
 * @throws Error of the file system, with its `code`
 */
async function readFile(path: Buffer): Promise<{ octets: Buffer; writtenAt: number }> {
  const file = await open(path, AS_IT_IS).catch((error: unknown) => {
    const { code = '' } = error as NodeJS.ErrnoException;
    throw NOT_A_FILE.includes(code) ? new InvalidInputError('not an ordinary file') : error;
  });
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new InvalidInputError('not an ordinary file');
    if (found.size > MOST_OCTETS) throw new InvalidInputError('larger than any event');
    return { octets: await file.readFile(), writtenAt: Math.round(found.mtimeMs) };
  } finally {
    await file.close();
  }
}

/** Whose events a file holds, as far as it can be read. */
function userIn(text: string): unknown {
  try {
    return (JSON.parse(text) as { user?: unknown } | null)?.user;
  } catch {
    return undefined;
  }
}
