/**
 * Transactions that Dovecot need not wait for any more, though they are still being handled: on disk,
 * in case this process ends before they are.
 */
export interface EventJournal {
  /**
   * Durable when it resolves.
   *
   * @returns its id
   * @throws UnavailableError the disk is full or the file is locked
   */
  keep(entry: NewJournalEntry): Promise<number>;

  /** It was handled. A kill in the next moment has it handled again, which does no harm. */
  forget(id: number): void;

  /** What an earlier process left, in the order in which it came. */
  kept(): Promise<JournalEntry[]>;
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
