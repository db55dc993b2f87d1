import type { Clock } from '../clock.ts';
import { tellWhenAskingDovecot } from '../dovecot/asking-dovecot.ts';
import { DoveadmCommandError, isNoSuchUser } from '../dovecot/doveadm-client.ts';
import { errorMessage } from '../errors.ts';
import type { Logger } from '../logging.ts';
import type { EventJournal, JournalEntry, JournalPage } from '../stores/event-journal.ts';
import { parseTransaction, type Transaction } from './event-schema.ts';

export interface JournalWorkerParts {
  journal: Pick<
    EventJournal,
    'keep' | 'forget' | 'giveUp' | 'users' | 'pageOf' | 'waiting' | 'hasRoom' | 'forgetEvents'
  >;
  /** Milliseconds between two rounds over what waits; new entries begin one at once. */
  pollInterval: number;
  /** Handles one transaction; `receivedAt` is when it happened, in milliseconds since the epoch. */
  handle: (transaction: Transaction, receivedAt: number) => Promise<void>;
  clock: Clock;
  /** {@link ClockWatch.byToday}, for the times of entries. */
  byToday: (noted: number) => number;
  log: Logger;
  onGivenUp?: (reason: GivenUpReason) => void;
}

/** Why a transaction in the journal is not tried again. */
export const GIVEN_UP_REASONS = ['refused', 'damaged'] as const;
type GivenUpReason = (typeof GIVEN_UP_REASONS)[number];

/** A transaction in the journal whose first handling is still under way. */
export interface KeptCopy {
  /** It was handled after all. */
  discard(): Promise<void>;
  /** It could not be handled: it is the journal's now. */
  release(): void;
  /** It never will be: Dovecot knows no such user, as `reason` says. */
  refuse(reason: string): Promise<void>;
}

/** So many users' transactions are handled at a time … */
const USERS_AT_A_TIME = 64;
/** … and of these so many may have asked Dovecot for something: it makes a process for each. */
const ASKING_AT_A_TIME = 8;
const USERS_A_PAGE = 256;
const ENTRIES_A_PAGE = 64;
/** After so many of one user's, others have their turn. */
const ENTRIES_A_TURN = 512;
/** What came from the logs waits here; while there is more, the rest waits there. */
const READ_AHEAD = 8_192;
/** A transaction that failed waits longer each time; what kept it may be over at any moment. */
const LONGEST_PAUSE_MSECS = 60_000;
/** What has failed for so long lets its user's others pass. */
const PATIENCE_MSECS = 120_000;
/** So many of one user; past it, it is no longer single messages that something is wrong with. */
const MOST_STUCK = 8;
/** What Dovecot has refused for so long it will go on refusing. */
const LONGEST_REFUSAL_MSECS = 86_400_000;
/** What fails past this many is tried in every round. */
const MOST_PAUSES = 100_000;

/** Since when an entry has failed, when it may be tried again, and whether Dovecot itself refused it. */
interface Pause {
  user: string;
  since: number;
  until: number;
  msecs: number;
  refused: boolean;
}

/**
 * Handles what waits in the journal. Order is kept per user: while one of a user's transactions fails,
 * those behind it wait, and other users do not. A few that have failed for minutes let the others pass:
 * Dovecot may hang up at one message, and order matters less than arriving. So does one that Dovecot
 * refuses, and is given up after a day: mail that nobody but its user can decrypt, say. What is told of
 * somebody whom Dovecot does not know is given up at once, and nothing of it is set aside.
 */
export class JournalWorker {
  readonly #parts: JournalWorkerParts;
  /** Of entries that failed. */
  readonly #pauses = new Map<number, Pause>();
  /** Until when there is nothing to do for a user, monotonic. */
  readonly #blocked = new Map<string, number>();
  /** Entries that are not this worker's: being handled elsewhere, or handled and about to be removed. */
  readonly #elsewhere = new Map<number, 'in hand' | 'leaving'>();
  /** Copies that were discarded; a round may have read them before. */
  readonly #discarded = new Set<number>();
  /** Entries in hand with others of their user behind them. */
  readonly #awaited = new Set<number>();
  /** Users whose entries were removed; a round may have read them before. */
  readonly #forgotten = new Set<string>();
  readonly #queueing: (() => void)[] = [];
  #asking = 0;
  #failures: { count: number; reason: string } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  #again = false;
  #stopped = false;

  constructor(parts: JournalWorkerParts) {
    this.#parts = parts;
  }

  /**
   * Keeps one; durable when it resolves.
   *
   * @throws OverShareError, UnavailableError as {@link EventJournal.keep}
   */
  async write(transaction: Transaction): Promise<void> {
    await this.#keep(transaction).kept;
    this.#blocked.delete(transaction.user);
    this.begin();
  }

  /**
   * Keeps one that is being handled; durable when it resolves. It is left alone, as are its user's others
   * behind it, until it is discarded or released, or this process ends.
   */
  async writeCopy(transaction: Transaction): Promise<KeptCopy> {
    const { id, kept } = this.#keep(transaction);
    this.#elsewhere.set(id, 'in hand');
    try {
      await kept;
    } catch (error) {
      this.#elsewhere.delete(id);
      throw error;
    }
    return {
      discard: () => {
        this.#discarded.add(id);
        return this.#leave([id]);
      },
      release: () => {
        this.#elsewhere.delete(id);
        this.#awaited.delete(id);
        this.begin();
      },
      refuse: (reason) => {
        this.#discarded.add(id);
        return this.#refuse({ id, user: transaction.user }, reason);
      },
    };
  }

  start(): void {
    this.#timer = setInterval(() => this.begin(), this.#parts.pollInterval);
    this.begin();
  }

  /** After the transactions under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#round;
  }

  /** Begins a round, or another one after that which is under way. */
  begin(): void {
    if (!this.#stopped) void this.takeIn();
  }

  /** Handles what is there now; resolves when it was looked through. */
  takeIn(): Promise<void> {
    this.#again = this.#round !== undefined;
    this.#round ??= this.#runRound()
      .catch((error: unknown) =>
        this.#parts.log.error({ reason: errorMessage(error) }, 'cannot read the event journal'),
      )
      .finally(() => {
        this.#round = undefined;
        if (this.#again) this.begin();
      });
    return this.#round;
  }

  /** Whether there is room for more out of the logs; waits for what can be handled first. */
  async makeRoom(): Promise<boolean> {
    if (this.waiting() > READ_AHEAD) await this.takeIn();
    return this.#parts.journal.hasRoom();
  }

  /** How many wait to be handled again. */
  waiting(): number {
    return Math.max(0, this.#parts.journal.waiting() - this.#elsewhere.size);
  }

  /**
   * Removes a user's transactions, also those that were set aside.
   *
   * @returns how many
   */
  forget(user: string): Promise<number> {
    this.#forgotten.add(user);
    this.#blocked.delete(user);
    for (const [id, pause] of this.#pauses) if (pause.user === user) this.#pauses.delete(id);
    return this.#parts.journal.forgetEvents(user);
  }

  #keep(transaction: Transaction): ReturnType<EventJournal['keep']> {
    const { user } = transaction;
    const receivedAt = this.#parts.clock.now();
    return this.#parts.journal.keep({ user, transaction: JSON.stringify(transaction), receivedAt });
  }

  async #runRound(): Promise<void> {
    const now = this.#parts.clock.monotonic();
    this.#forgotten.clear();
    this.#discarded.clear();
    this.#failures = undefined;
    for (const [user, until] of this.#blocked) if (until <= now) this.#blocked.delete(user);
    const users = this.#users();
    const workers = Array.from({ length: USERS_AT_A_TIME }, async () => {
      for await (const user of users) if (!this.#blocked.has(user)) await this.#handleUser(user);
    });
    const results = await Promise.allSettled(workers); // a round ends when nothing of it is under way
    this.#tellFailures();
    const failed = results.find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  }

  #tellFailures(): void {
    if (this.#failures === undefined) return;
    this.#parts.log.warn(this.#failures, 'events could not be handled yet');
  }

  /** An async generator queues those who ask at the same time. */
  async *#users(): AsyncGenerator<string> {
    let page = await this.#parts.journal.users('', USERS_A_PAGE);
    while (page.length > 0 && !this.#stopped) {
      yield* page;
      page = await this.#parts.journal.users(page.at(-1) ?? '', USERS_A_PAGE);
    }
  }

  async #handleUser(user: string): Promise<void> {
    let stuck = 0;
    let attempts = 0;
    let until = Infinity;
    let page: JournalPage;
    let afterId = 0;
    do {
      page = await this.#parts.journal.pageOf(user, afterId, ENTRIES_A_PAGE);
      for (const entry of page.entries) {
        if (this.#stopped || this.#forgotten.has(user)) return;
        afterId = entry.id;
        const elsewhere = this.#elsewhere.get(entry.id);
        if (elsewhere === 'leaving' || this.#discarded.has(entry.id)) continue;
        if (elsewhere === 'in hand') {
          this.#awaited.add(entry.id);
          return;
        }
        let pause = this.#pauseOf(entry.id);
        if (pause === undefined) {
          pause = await this.#attempt(entry);
          attempts += 1;
        }
        if (pause === undefined || pause.refused) continue;
        const waited = this.#parts.clock.monotonic() - pause.since;
        stuck += waited < PATIENCE_MSECS ? Infinity : 1;
        until = Math.min(until, pause.until);
        if (stuck <= MOST_STUCK) continue;
        if (this.#blocked.size < MOST_PAUSES) this.#blocked.set(user, until);
        return;
      }
      if (attempts >= ENTRIES_A_TURN) {
        this.#again = true;
        return;
      }
    } while (!page.isLast);
  }

  #pauseOf(id: number): Pause | undefined {
    const pause = this.#pauses.get(id);
    return pause && pause.until > this.#parts.clock.monotonic() ? pause : undefined;
  }

  /** @returns undefined when it is done with */
  async #attempt(entry: JournalEntry): Promise<Pause | undefined> {
    const { clock, byToday, handle } = this.#parts;
    const transaction = parseTransaction(Buffer.from(entry.transaction));
    if (typeof transaction === 'string') {
      await this.#giveUp(entry, 'damaged', transaction);
      return undefined;
    }
    const receivedAt = byToday(entry.receivedAt);
    await this.#askingLess();
    const asked = { count: 0 };
    const ask = (): void => {
      if (asked.count === 0) this.#asking += 1;
      asked.count += 1;
    };
    try {
      await tellWhenAskingDovecot(ask, () => handle(transaction, receivedAt));
    } catch (error) {
      if (isNoSuchUser(error)) {
        void this.#refuse(entry, errorMessage(error));
        return undefined;
      }
      const pause = this.#pause(entry, error);
      if (pause.refused && clock.now() - receivedAt > LONGEST_REFUSAL_MSECS) {
        await this.#giveUp(entry, 'refused', `given up after a day: ${errorMessage(error)}`);
      }
      return pause;
    } finally {
      if (asked.count > 0) {
        this.#asking -= 1;
        this.#queueing.shift()?.();
      }
    }
    this.#pauses.delete(entry.id);
    void this.#leave([entry.id]);
    return undefined;
  }

  async #askingLess(): Promise<void> {
    while (this.#asking >= ASKING_AT_A_TIME) {
      await new Promise<void>((resolve) => this.#queueing.push(resolve));
    }
  }

  #pause({ id, user }: JournalEntry, error: unknown): Pause {
    const now = this.#parts.clock.monotonic();
    const before = this.#pauses.get(id);
    const { since, msecs: last } = before ?? { since: now, msecs: this.#parts.pollInterval / 2 };
    const msecs = Math.min(LONGEST_PAUSE_MSECS, 2 * last);
    const refused = error instanceof DoveadmCommandError;
    const pause = { user, since, until: now + msecs, msecs, refused };
    if (before !== undefined || this.#pauses.size < MOST_PAUSES) this.#pauses.set(id, pause);
    this.#failures ??= { count: 0, reason: errorMessage(error) };
    this.#failures.count += 1;
    return pause;
  }

  async #giveUp({ id }: JournalEntry, how: GivenUpReason, reason: string): Promise<void> {
    try {
      await this.#parts.journal.giveUp(id, reason);
      this.#pauses.delete(id);
      this.#parts.onGivenUp?.(how);
      this.#parts.log.error({ reason }, 'an event was set aside: nothing can be made of it');
    } catch (error) {
      this.#failures ??= { count: 1, reason: errorMessage(error) };
    }
  }

  /** There is nobody who could miss what comes of it, nor anything for a person to look at. */
  #refuse({ id, user }: Pick<JournalEntry, 'id' | 'user'>, reason: string): Promise<void> {
    this.#pauses.delete(id);
    this.#parts.onGivenUp?.('refused');
    this.#parts.log.warn({ user, reason }, 'an event is given up: Dovecot knows no such user');
    return this.#leave([id]);
  }

  async #leave(ids: readonly number[]): Promise<void> {
    for (const id of ids) this.#elsewhere.set(id, 'leaving');
    try {
      await this.#parts.journal.forget(ids);
    } catch (error) {
      const reason = errorMessage(error);
      this.#parts.log.warn({ reason }, 'cannot remove an event; it is handled once more');
    }
    for (const id of ids) this.#elsewhere.delete(id);
    if (ids.some((id) => this.#awaited.delete(id))) this.begin();
  }
}
