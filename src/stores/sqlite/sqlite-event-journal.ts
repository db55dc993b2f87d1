import type { Clock } from '../../clock.ts';
import { UnavailableError } from '../../errors.ts';
import type {
  EventJournal,
  JournalEntry,
  JournalPage,
  JournalLimits,
  LogPart,
  NewJournalEntry,
} from '../event-journal.ts';
import { OverShareError } from '../over-share-error.ts';
import type { GroupWriter } from './group-writer.ts';
import type { Amount, JournalJob, KeepResult } from './journal.ts';
import type { OutboxJob, OutboxResult } from './outbox.ts';

export interface SqliteEventJournalOptions {
  /** Of the outbox's file, for messages. */
  path: string;
  clock: Clock;
  limits: JournalLimits;
}

type Writer = GroupWriter<OutboxJob, OutboxResult>;
type State = Amount & { lastId: number };

/** How long what was handled may stay when nothing else is written, in milliseconds. */
const FORGET_MSECS = 200;
/** So many at once do not wait for that. */
const FORGET_COUNT = 512;

/** Handled, and to be removed with whatever is written next. */
interface Leaving {
  ids: readonly number[];
  resolve: () => void;
  reject: (error: Error) => void;
}

/**
 * The event journal in the outbox's file; counts along what is in it. What an earlier process left is
 * counted before anything else is asked: the file may not be readable when this process starts.
 */
export class SqliteEventJournal implements EventJournal {
  readonly #writer: Writer;
  readonly #path: string;
  readonly #clock: Clock;
  readonly #limits: JournalLimits;
  readonly #kept: Amount = { transactions: 0, octets: 0 };
  /** Above all that an earlier process gave, whether or not that can be read yet. */
  #lastId: number;
  #counting: Promise<void> | undefined;
  #leaving: Leaving[] = [];
  #leavingCount = 0;
  #flushing: NodeJS.Timeout | undefined;

  constructor(writer: Writer, { path, clock, limits }: SqliteEventJournalOptions) {
    this.#writer = writer;
    this.#path = path;
    this.#clock = clock;
    this.#limits = limits;
    this.#lastId = clock.now();
  }

  /** @throws UnavailableError the file cannot be read; the next call tries again */
  load(): Promise<void> {
    this.#counting ??= this.#countLeft().catch((error: unknown) => {
      this.#counting = undefined;
      throw error;
    });
    return this.#counting;
  }

  async #countLeft(): Promise<void> {
    const { lastId, ...left } = (await this.#writer.run({ op: 'journal-state' })) as State;
    this.#noteKept(left);
    this.#lastId = Math.max(this.#lastId, lastId);
  }

  keep(entry: NewJournalEntry): { id: number; kept: Promise<void> } {
    const id = (this.#lastId += 1);
    return { id, kept: this.#keepOne({ ...entry, id }) };
  }

  async takeIn(part: LogPart): Promise<number> {
    await this.load();
    const entries = part.entries.map((entry) => ({ ...entry, id: (this.#lastId += 1) }));
    return (await this.#keep({ ...part, entries })).length;
  }

  forget(ids: readonly number[]): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    this.#leaving.push({ ids, resolve: () => resolve(undefined), reject });
    this.#leavingCount += ids.length;
    if (this.#leavingCount >= FORGET_COUNT) void this.flush();
    else this.#flushing ??= setTimeout(() => void this.flush(), FORGET_MSECS);
    return promise;
  }

  async giveUp(id: number, reason: string): Promise<void> {
    this.#noteRemoved(
      await this.#run<Amount>({ op: 'give-up', id, at: this.#clock.now(), reason }),
    );
  }

  users(after: string, limit: number): Promise<string[]> {
    return this.#run({ op: 'users', after, limit });
  }

  pageOf(user: string, afterId: number, limit: number): Promise<JournalPage> {
    return this.#run({ op: 'page-of-user', user, afterId, limit });
  }

  waiting(): number {
    return this.#kept.transactions;
  }

  async oldest(): Promise<number> {
    return this.#kept.transactions === 0 ? Infinity : this.#run<number>({ op: 'oldest' });
  }

  hasRoom(): boolean {
    const { transactions, octets } = this.#limits.inAll;
    return this.#kept.transactions < transactions && this.#kept.octets < octets;
  }

  async forgetEvents(user: string): Promise<number> {
    await this.flush(); // those are not counted
    const removed = await this.#run<Amount & { aside: number }>({ op: 'forget-events', user });
    this.#noteRemoved(removed);
    return removed.transactions + removed.aside;
  }

  async positions(): Promise<Map<string, number>> {
    return new Map(await this.#run<[string, number][]>({ op: 'log-positions' }));
  }

  async beginLog(inode: string): Promise<void> {
    await this.#run({ op: 'begin-log', inode });
  }

  async endLog(inode: string): Promise<void> {
    await this.#run({ op: 'end-log', inode });
  }

  /** Takes out what was handled. What cannot be taken out is handled once more, after the next start. */
  async flush(): Promise<void> {
    const leaving = this.#takeLeaving();
    if (leaving.length === 0) return;
    try {
      const ids = leaving.flatMap(({ ids }) => ids);
      this.#noteRemoved(await this.#run<Amount>({ op: 'forget', ids }));
      for (const { resolve } of leaving) resolve();
    } catch (error) {
      for (const { reject } of leaving) reject(error as Error);
    }
  }

  async #keepOne(entry: JournalEntry): Promise<void> {
    await this.load();
    if (!this.hasRoom()) {
      const { transactions } = this.#kept;
      throw new UnavailableError(
        `${this.#path} has no room for further events: ${transactions} wait to be handled`,
      );
    }
    if ((await this.#keep({ entries: [entry], setAside: [] })).length > 0)
      throw new OverShareError();
  }

  /** Takes along what was handled meanwhile: an entry costs one visit to the thread, not two. */
  async #keep(part: LogPart & { entries: readonly JournalEntry[] }): Promise<number[]> {
    const octets = part.entries.reduce((sum, { transaction }) => sum + transaction.length, 0);
    const amount: Amount = { transactions: part.entries.length, octets };
    const leaving = this.#takeLeaving();
    const job: OutboxJob = { op: 'keep', part, forget: leaving.flatMap(({ ids }) => ids) };
    this.#noteKept(amount); // at once: those that come meanwhile are judged by it
    try {
      const { leftOut, removed } = (await this.#writer.run(job, { octets })) as KeepResult;
      const out = new Set(leftOut);
      for (const { id, transaction } of part.entries) {
        if (out.has(id)) this.#noteRemoved({ transactions: 1, octets: transaction.length });
      }
      this.#noteRemoved(removed);
      for (const { resolve } of leaving) resolve();
      return leftOut;
    } catch (error) {
      this.#noteRemoved(amount);
      for (const { reject } of leaving) reject(error as Error);
      throw error;
    }
  }

  #takeLeaving(): Leaving[] {
    clearTimeout(this.#flushing);
    this.#flushing = undefined;
    this.#leavingCount = 0;
    const leaving = this.#leaving;
    this.#leaving = [];
    return leaving;
  }

  #noteKept({ transactions, octets }: Amount): void {
    this.#kept.transactions += transactions;
    this.#kept.octets += octets;
  }

  #noteRemoved({ transactions, octets }: Amount): void {
    this.#noteKept({ transactions: -transactions, octets: -octets });
  }

  async #run<Result>(job: JournalJob): Promise<Result> {
    await this.load();
    return (await this.#writer.run(job)) as Result;
  }
}
