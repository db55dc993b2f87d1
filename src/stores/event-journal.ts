/**
 * The transactions that wait to be handled, on disk: Dovecot need not wait for them any more, or they
 * could not be handled when they happened, or they stood in an event log.
 *
 * Bounded for each user, so that one who cannot be helped leaves room for the others, and in all.
 */
export interface EventJournal {
  /**
   * Keeps one; `id` is known before it can be seen on disk.
   *
   * `kept` resolves when it is durable, and rejects with
   * OverShareError: as many wait for the user as may;
   * UnavailableError: the disk is full, the file is locked, or there is no room in all.
   */
  keep(entry: NewJournalEntry): { id: number; kept: Promise<void> };

  /**
   * Keeps what stands in a part of an event log, and notes in the same commit how far that log was read.
   *
   * @returns how many were left out, since as many wait for their users as may
   * @throws UnavailableError nothing was kept, nor noted
   */
  takeIn(part: LogPart): Promise<number>;

  /** They were handled; resolves when they are out, which takes a moment: removals are gathered. */
  forget(ids: readonly number[]): Promise<void>;

  /** Takes one out that will never be handled; some of it stays for a person to look at. */
  giveUp(id: number, reason: string): Promise<void>;

  /** Names of users for whom something waits, behind `after` in the order of octets. */
  users(after: string, limit: number): Promise<string[]>;

  /** What waits for one user, from the oldest; at least one, and not more than a few MiB. */
  pageOf(user: string, afterId: number, limit: number): Promise<JournalPage>;

  /** How many wait, those included that are being handled. */
  waiting(): number;

  /** Since when the oldest waits, in milliseconds since the epoch; Infinity when none does. */
  oldest(): Promise<number>;

  /** Whether there is room in all. */
  hasRoom(): boolean;

  /** @returns how many transactions were removed, of those that waited and of those given up */
  forgetEvents(user: string): Promise<number>;

  /** How far each log was read, in octets, by inode. */
  positions(): Promise<Map<string, number>>;

  /** Notes of a new log that nothing was read of it; before anyone sees the log. */
  beginLog(inode: string): Promise<void>;

  /** Notes nothing more of a log; before it is removed. */
  endLog(inode: string): Promise<void>;
}

export interface NewJournalEntry {
  user: string;
  /** As JSON. */
  transaction: string;
  /** Milliseconds since the epoch. */
  receivedAt: number;
}

export interface JournalEntry extends NewJournalEntry {
  id: number;
}

export interface JournalPage {
  entries: JournalEntry[];
  /** Nothing came after it when it was read. */
  isLast: boolean;
}

/** Something of which nothing can be made; the newest hundred are kept for a person to look at. */
export interface SetAside {
  /** Milliseconds since the epoch. */
  at: number;
  reason: string;
  /** Cut to a few KiB. */
  content: string;
  /** As far as it is known. */
  user?: string | undefined;
}

export interface LogPart {
  /** None for what comes out of another place. */
  log?: { inode: string; position: number };
  entries: readonly NewJournalEntry[];
  setAside: readonly SetAside[];
}

export interface JournalLimits {
  /** Transactions and octets that may wait for one user. */
  ofUser: { transactions: number; octets: number };
  /** The same for all together. */
  inAll: { transactions: number; octets: number };
}

export const JOURNAL_LIMITS: JournalLimits = {
  ofUser: { transactions: 10_000, octets: 64 * 1_048_576 },
  inAll: { transactions: 200_000, octets: 1_024 * 1_048_576 },
};
