import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorMessage, UnavailableError } from '../errors.ts';
import type { Logger } from '../logging.ts';

/** An octet for each; `lua/coi.lua` knows the number. A prime. */
const HASHES = 1_048_573;
const MARKED = 1;

/**
 * The users whose mail matters, in a file for mail processes to look at: who is not in it cannot want
 * a push, so Dovecot need not report that user's messages at all.
 *
 * A Bloom filter with one hash: users who share a hash are reported for nothing, one in ten at 100,000
 * users, and none is ever missed. For that to hold, a user is added before the change that makes the
 * difference is stored, and the mark is on disk by then. Nobody can be taken out alone: for that, and at
 * each start, all begins anew. No file means that everybody matters, so there is none until it is
 * complete, none after a stop, and none once it could not be written.
 *
 * It stands in the directory of the event logs, which only this service may write to: a mail process
 * could put one there that hides everybody's mail. Its group may read it, and nobody else learn who uses COI.
 */
export class UserFilter {
  readonly #path: string;
  readonly #log: Logger;
  readonly #directory: FilterDirectory;
  readonly #marks = Buffer.alloc(HASHES);
  #published = false;
  /** A file may be there that should not be: until it is gone, nobody new may matter. */
  #stale = false;
  #work: Promise<unknown> = Promise.resolve();
  #closed = false;

  /**
   * @param directory makes the directory, or sees to it that nobody else can write to it, and knows its
   *   group
   */
  constructor(path: string, log: Logger, directory: FilterDirectory = plainDirectory(path)) {
    this.#path = path;
    this.#log = log;
    this.#directory = directory;
  }

  /**
   * Resolves when mail processes see that this user matters.
   *
   * @throws UnavailableError they may not, and the file can be neither written nor removed
   */
  add(user: string): Promise<void> {
    const hash = hashOf(user);
    const known = this.#marks[hash] === MARKED;
    this.#marks[hash] = MARKED;
    return this.#inTurn(async () => {
      if (this.#stale) await this.#remove();
      if (known || !this.#published) return;
      try {
        const file = await open(this.#path, 'r+');
        await writeDown(file, this.#marks, hash, 1).finally(() => file.close());
      } catch (error) {
        await this.#withdraw(error);
      }
    });
  }

  /**
   * Puts the file there: everybody who matters was added.
   *
   * @throws whatever keeps it from being written; then there is none, but for an UnavailableError
   */
  publish(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#closed) return;
      try {
        await this.#write();
        this.#published = true;
        this.#stale = false;
      } catch (error) {
        await this.#remove();
        throw error;
      }
    });
  }

  /**
   * Takes the file away, be it of an earlier process: from now on everybody matters.
   *
   * @throws UnavailableError it is there and cannot be removed
   */
  remove(): Promise<void> {
    return this.#inTurn(() => this.#remove());
  }

  /**
   * Takes the file away and begins with nobody: who still matters is to be added, and the file to be
   * {@link publish}ed.
   *
   * @throws UnavailableError as {@link remove}
   */
  clear(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#remove();
      this.#marks.fill(0);
    });
  }

  /** @throws UnavailableError a file is there that hides users, and cannot be removed */
  async check(): Promise<void> {
    if (this.#stale) await this.remove();
  }

  /** Takes the file away for good. */
  close(): Promise<void> {
    this.#closed = true;
    return this.remove();
  }

  async #write(): Promise<void> {
    await this.#directory.prepare();
    const { groupId } = this.#directory;
    const temporary = `${this.#path}.new`;
    await rm(temporary, { force: true, recursive: true });
    const file = await open(temporary, 'wx+', 0o640);
    try {
      if (groupId !== undefined) await file.chown(process.geteuid?.() ?? -1, groupId);
      // A default ACL of the directory may have taken away what the group needs.
      await file.chmod(0o640);
      await writeDown(file, this.#marks, 0, HASHES);
      await rename(temporary, this.#path);
    } finally {
      await file.close();
    }
    await syncDirectory(dirname(this.#path));
  }

  async #withdraw(cause: unknown): Promise<void> {
    const reason = errorMessage(cause);
    const facts = { file: this.#path, reason };
    this.#log.warn(facts, 'cannot note whose mail matters; Dovecot reports everything again');
    await this.#remove();
  }

  async #remove(): Promise<void> {
    this.#published = false;
    this.#stale = true;
    try {
      await rm(this.#path, { force: true });
      this.#stale = false;
    } catch (cause) {
      const reason = errorMessage(cause);
      const message =
        `${this.#path} may hide users from Dovecot and cannot be removed (${reason}): ` +
        'see who owns its directory, and that the file system can be written to';
      throw new UnavailableError(message, { cause });
    }
  }

  /** Writes in the order of asking; who finds a mark set waits until it is on disk. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(work, work);
    this.#work = done.catch(() => undefined);
    return done;
  }
}

/** Some of the marks, at the place in the file where they belong; on disk when it resolves. */
async function writeDown(file: FileHandle, marks: Buffer, at: number, octets: number) {
  await file.write(marks, at, octets, at);
  await file.datasync();
}

/** Where the file stands: see `EventDirectory`. */
export interface FilterDirectory {
  prepare(): Promise<void>;
  readonly groupId: number | undefined;
}

const plainDirectory = (path: string): FilterDirectory => ({
  prepare: async () => {
    await mkdir(dirname(path), { recursive: true });
  },
  groupId: undefined,
});

/** As `matters` in `lua/coi.lua` computes it, in numbers that a double holds exactly. */
function hashOf(user: string): number {
  let hash = 0;
  for (const octet of Buffer.from(user)) hash = (hash * 31 + octet) % HASHES;
  return hash;
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path);
  await directory.sync().finally(() => directory.close());
}
