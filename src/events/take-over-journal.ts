import type { EventJournal, JournalEntry } from '../stores/event-journal.ts';
import type { Transaction } from './event-schema.ts';
import type { Spool } from './spool.ts';

export interface TakeOverParts {
  journal: Pick<EventJournal, 'kept' | 'forget'>;
  spool: Pick<Spool, 'write'>;
  /** Keeps it in memory until the spool takes it; it stays in the journal as well. */
  hold: (transaction: Transaction) => void;
}

/**
 * Puts what an earlier process had taken in and not handled into the spool, to be handled from there.
 *
 * @returns how many transactions those were
 * @throws UnavailableError the journal cannot be read
 */
export async function takeOverJournal({ journal, spool, hold }: TakeOverParts): Promise<number> {
  const entries = await journal.kept();
  for (const entry of entries) {
    const transaction = withTime(entry);
    try {
      await spool.write(transaction);
      journal.forget(entry.id);
    } catch {
      hold(transaction); // says so
    }
  }
  return entries.length;
}

/** The spool would take the time at which it was written for that of the delivery. */
function withTime({ transaction, receivedAt }: JournalEntry): Transaction {
  const { events, ...rest } = JSON.parse(transaction) as Transaction;
  const received = Math.floor(receivedAt / 1_000);
  return {
    ...rest,
    events: events.map((event) => (event.event === 'MessageNew' ? { received, ...event } : event)),
  };
}
