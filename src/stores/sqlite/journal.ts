import type { DatabaseSync } from 'node:sqlite';
import type { JournalEntry, NewJournalEntry } from '../event-journal.ts';

export type JournalJob =
  | { op: 'keep'; entry: NewJournalEntry; forget: readonly number[] }
  | { op: 'forget'; ids: readonly number[] }
  | { op: 'kept' };

/** `id` never comes back (AUTOINCREMENT): a late forget must not hit a later entry. */
export const JOURNAL_TABLE = `
  CREATE TABLE journal (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    transaction_json TEXT NOT NULL
  ) STRICT;
`;

/** The event journal, which shares the outbox's file and its fsyncs. */
export interface Journal {
  run(job: JournalJob): JournalEntry[] | number;
  /** Removes what is kept of a user. */
  forgetUser(user: string): void;
}

export function prepareJournal(db: DatabaseSync): Journal {
  const insert = db.prepare(
    'INSERT INTO journal (user, received_at, transaction_json) VALUES (?, ?, ?)',
  );
  const remove = db.prepare('DELETE FROM journal WHERE id = ?');
  const removeUser = db.prepare('DELETE FROM journal WHERE user = ?');
  const all = db.prepare('SELECT * FROM journal ORDER BY id');
  const forget = (ids: readonly number[]): number => {
    for (const id of ids) remove.run(id);
    return ids.length;
  };

  return {
    forgetUser: (user) => void removeUser.run(user),
    run: (job) => {
      switch (job.op) {
        case 'keep': {
          forget(job.forget);
          const { user, receivedAt, transaction } = job.entry;
          return Number(insert.run(user, receivedAt, transaction).lastInsertRowid);
        }
        case 'forget':
          return forget(job.ids);
        case 'kept':
          return all.all().map((row) => ({
            id: Number(row['id']),
            user: String(row['user']),
            receivedAt: Number(row['received_at']),
            transaction: String(row['transaction_json']),
          }));
      }
    },
  };
}
