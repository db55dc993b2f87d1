import { setImmediate } from 'node:timers/promises';
import {
  AnnotationLimitError,
  NO_LIMITS,
  limitsOf,
  type AnnotationLimits,
  type Usage,
} from '../annotation-limits.ts';
import { checkCommit } from '../check-commit.ts';
import { OvertakenError } from '../overtaken-error.ts';
import type {
  Change,
  CommitResult,
  Expectation,
  PageOptions,
  Store,
  StoreEntry,
} from '../store.ts';
import { withDeadline } from '../with-deadline.ts';
import type { EntriesJob, EntriesResult, EntryChange } from './entries.ts';
import { EntryReader, type EntryPage } from './entry-reader.ts';
import { GroupWriter } from './group-writer.ts';
import { ownFile, type OwnedFile } from './own-file.ts';
import { ReadCache } from './read-cache.ts';
import { BUSY_TIMEOUT_MSECS, CHECK_DEADLINE_MSECS, EMPTY_LOG_MSECS } from './timeouts.ts';

export interface SqliteStoreOptions {
  /** How long a commit waits for another process that holds the database, in milliseconds. */
  busyTimeoutMsecs?: number;
  /** How often the write-ahead log is emptied, in milliseconds; a minute unless given. */
  emptyLogMsecs?: number;
  /** Told when the file is damaged, or its disk full: the store is there, and fails until it is put right. */
  onUnopened?: (path: string, reason: string) => void;
  /** What annotations may take; as much as there is room for unless given. */
  limits?: AnnotationLimits;
}

/**
 * Opens the store in the file at `path`, an absolute path; makes the file if it is not there.
 *
 * Close it: the last connection to leave tidies the write-ahead log away.
 *
 * A damaged file is left alone, for it holds what users own. Calls fail until it is put right.
 *
 * @throws UnavailableError the file cannot be opened, is too new, or belongs to another process
 */
export async function openSqliteStore(
  path: string,
  {
    busyTimeoutMsecs = BUSY_TIMEOUT_MSECS,
    emptyLogMsecs = EMPTY_LOG_MSECS,
    onUnopened,
    limits = NO_LIMITS,
  }: SqliteStoreOptions = {},
): Promise<Store> {
  const file = ownFile(path);
  try {
    const { writer, opening } = await GroupWriter.open<EntriesJob, EntriesResult>({
      purpose: 'entries',
      path: file.path,
      inode: file.inode,
      ...{ busyTimeoutMsecs, emptyLogMsecs },
      options: limits,
    });
    if (opening.problem) onUnopened?.(file.path, opening.problem.message);
    return new SqliteStore(file, writer, limits);
  } catch (error) {
    file.release();
    throw error;
  }
}

class SqliteStore implements Store {
  readonly kind = 'sqlite';
  readonly #file: OwnedFile;
  readonly #writer: GroupWriter<EntriesJob, EntriesResult>;
  readonly #reader: EntryReader;
  readonly #cache = new ReadCache();
  readonly #limits: AnnotationLimits;

  constructor(
    file: OwnedFile,
    writer: GroupWriter<EntriesJob, EntriesResult>,
    limits: AnnotationLimits,
  ) {
    this.#file = file;
    this.#writer = writer;
    this.#limits = limits;
    this.#reader = new EntryReader(file.path);
  }

  // async, so that what the reader throws arrives as a rejection.
  // eslint-disable-next-line @typescript-eslint/require-await
  async get(user: string, key: string): Promise<Buffer | undefined> {
    const read = (): Buffer | undefined => this.#reader.get(user, key);
    return this.#cache.read(user, `= ${key}`, read, (value) => value?.length ?? 0);
  }

  // eslint-disable-next-line @typescript-eslint/require-await
  async list(user: string, prefix: string): Promise<StoreEntry[]> {
    const read = (): StoreEntry[] => this.#reader.list(user, prefix);
    return [...this.#cache.read(user, `< ${prefix}`, read, countEntryOctets)];
  }

  async *pages(
    user: string,
    prefix: string,
    { keysOnly = false }: PageOptions = {},
  ): AsyncIterable<StoreEntry[]> {
    const read = (after?: string): EntryPage => this.#reader.page(user, prefix, after, keysOnly);
    // Where all fit on one page, as for nearly everybody, that is what is asked for again and again.
    let { entries, isLast } = this.#cache.read(
      user,
      `${keysOnly ? 'k' : 'p'} ${prefix}`,
      read,
      (page) => countEntryOctets(page.entries),
    );
    yield [...entries];
    while (!isLast) {
      await setImmediate();
      ({ entries, isLast } = read(entries.at(-1)?.key));
      yield entries;
    }
  }

  async usage(user: string, scope: string): Promise<Usage> {
    return (await this.#writer.run({ op: 'usage', user, scope })) as Usage;
  }

  async commit(user: string, changes: readonly (Change | Expectation)[]): Promise<CommitResult> {
    checkCommit(user, changes);
    const job: EntriesJob = { op: 'commit', user, changes: changes.map(detach) };
    const octets = countOctets(job.changes);
    const result = await this.#cache.around(user, () => this.#writer.run(job, { octets }));
    if (result === 'overtaken') throw new OvertakenError();
    if (typeof result === 'string') return result;
    if ('excess' in result)
      throw new AnnotationLimitError(user, result.excess, limitsOf(this.#limits, changes));
    return 'committed';
  }

  async *users(): AsyncIterable<string> {
    for (let page = this.#reader.users(undefined); page.length > 0;) {
      yield* page;
      await setImmediate();
      page = this.#reader.users(page.at(-1));
    }
  }

  async scrub(): Promise<void> {
    await this.#writer.run({ op: 'scrub' });
  }

  async check(): Promise<void> {
    await withDeadline(
      this.#writer.run({ op: 'check' }),
      CHECK_DEADLINE_MSECS,
      `${this.#file.path} took no commit within ${CHECK_DEADLINE_MSECS} ms: is its disk stuck?`,
    );
    this.#reader.get('', '');
  }

  async close(): Promise<void> {
    // The writer leaves last: only a connection that may write can tidy up.
    this.#reader.close();
    await this.#writer.close();
    this.#file.release();
  }
}

/** A small Buffer is a window on a large one, and all of that would be copied to the writer. */
const detach = (change: Change | Expectation): EntryChange =>
  'value' in change && change.value !== undefined && isWindow(change.value)
    ? { ...change, value: new Uint8Array(change.value) }
    : change;

const isWindow = ({ byteLength, buffer }: Uint8Array): boolean => byteLength < buffer.byteLength;

const countOctets = (changes: readonly EntryChange[]): number =>
  changes.reduce((sum, change) => sum + (('value' in change && change.value?.length) || 0), 0);

const countEntryOctets = (entries: readonly StoreEntry[]): number =>
  entries.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
