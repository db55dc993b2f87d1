import { systemClock, type Clock } from '../../clock.ts';
import type { DamageWatch } from '../damage-watch.ts';
import { JOURNAL_LIMITS, type EventJournal, type JournalLimits } from '../event-journal.ts';
import type {
  NewPush,
  OutboxStore,
  OutboxStoreOptions,
  OwedPush,
  Postponement,
} from '../outbox-store.ts';
import { withDeadline } from '../with-deadline.ts';
import { GroupWriter } from './group-writer.ts';
import type { OutboxJob, OutboxResult } from './outbox.ts';
import { SqliteEventJournal } from './sqlite-event-journal.ts';
import { ownFile, type OwnedFile } from './own-file.ts';
import { BUSY_TIMEOUT_MSECS, CHECK_DEADLINE_MSECS, EMPTY_LOG_MSECS } from './timeouts.ts';

export interface SqliteOutboxStoreOptions extends OutboxStoreOptions {
  clock?: Clock;
  /** How long a write waits for another process that holds the database, in milliseconds. */
  busyTimeoutMsecs?: number;
  /** How often the write-ahead log is emptied, in milliseconds; a minute unless given. */
  emptyLogMsecs?: number;
  /** Told of what is damaged. */
  damage?: DamageWatch;
  /** Of the event journal. */
  limits?: JournalLimits;
}

/**
 * Opens the outbox in the file at `path`, an absolute path; makes the file if it is not there.
 * Close it: what was settled in the last moment is written down then.
 *
 * A damaged file is set aside, and a new one begun with what can be read of it. On a full disk, calls
 * fail until there is space.
 *
 * @throws UnavailableError the file cannot be opened, is too new, or belongs to another process
 */
export async function openSqliteOutboxStore(
  path: string,
  {
    rememberMsecs,
    clock = systemClock,
    busyTimeoutMsecs = BUSY_TIMEOUT_MSECS,
    emptyLogMsecs = EMPTY_LOG_MSECS,
    damage,
    limits = JOURNAL_LIMITS,
  }: SqliteOutboxStoreOptions,
): Promise<OutboxStore & { readonly journal: EventJournal }> {
  const file = ownFile(path);
  try {
    const setup = {
      purpose: 'outbox',
      path: file.path,
      inode: file.inode,
      ...{ busyTimeoutMsecs, emptyLogMsecs },
      options: { rememberMsecs, limits },
    } as const;
    const { writer, opening } = await GroupWriter.open<OutboxJob, OutboxResult>(setup, (replaced) =>
      damage?.noteReplaced(file.path, replaced),
    );
    damage?.notePushes(file.path, opening.damagedRows);
    if (opening.problem) damage?.noteUnopened(file.path, opening.problem.message);
    const journal = new SqliteEventJournal(writer, { path: file.path, clock, limits });
    await journal.load().catch(() => undefined); // whoever asks it for something tries again
    return new SqliteOutboxStore(file, writer, clock, journal);
  } catch (error) {
    file.release();
    throw error;
  }
}

class SqliteOutboxStore implements OutboxStore {
  readonly journal: SqliteEventJournal;
  readonly #file: OwnedFile;
  readonly #writer: GroupWriter<OutboxJob, OutboxResult>;
  readonly #clock: Clock;

  constructor(
    file: OwnedFile,
    writer: GroupWriter<OutboxJob, OutboxResult>,
    clock: Clock,
    journal: SqliteEventJournal,
  ) {
    this.journal = journal;
    this.#file = file;
    this.#writer = writer;
    this.#clock = clock;
  }

  async add(pushes: readonly NewPush[]): Promise<OwedPush[]> {
    if (pushes.length === 0) return [];
    const octets = pushes.reduce((sum, push) => sum + push.payload.length, 0);
    const job: OutboxJob = { op: 'add', pushes, now: this.#clock.now() };
    const ids = (await this.#writer.run(job, { octets })) as (number | undefined)[];
    return pushes.flatMap((push, index) => {
      const id = ids[index];
      return id === undefined ? [] : { ...push, id, attempts: 0, unanswered: 0, nextAttemptAt: 0 };
    });
  }

  /** At once: a settle that is lost has a push sent twice. */
  async settle(ids: readonly number[]): Promise<void> {
    if (ids.length === 0) return;
    await this.#writer.run({ op: 'settle', ids, now: this.#clock.now() }, { atOnce: true });
  }

  async postpone(id: number, attempt: Postponement): Promise<void> {
    await this.#writer.run({ op: 'postpone', id, attempt }, { atOnce: true });
  }

  async page(afterId: number, limit: number): Promise<OwedPush[]> {
    return (await this.#writer.run({ op: 'page', afterId, limit })) as OwedPush[];
  }

  async forgetUser(user: string): Promise<number[]> {
    return (await this.#writer.run({ op: 'forget-user', user })) as number[];
  }

  async check(): Promise<void> {
    await withDeadline(
      this.#writer.run({ op: 'check' }),
      CHECK_DEADLINE_MSECS,
      `${this.#file.path} took no write within ${CHECK_DEADLINE_MSECS} ms: is its disk stuck?`,
    );
  }

  async close(): Promise<void> {
    await this.journal.flush();
    await this.#writer.close();
    this.#file.release();
  }
}
