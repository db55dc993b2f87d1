import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import type {
  JournalEntry,
  JournalPage,
  JournalLimits,
  LogPart,
  SetAside,
} from '../event-journal.ts';

export type JournalJob =
  | { op: 'keep'; part: NumberedPart; forget: readonly number[] }
  | { op: 'forget'; ids: readonly number[] }
  | { op: 'give-up'; id: number; at: number; reason: string }
  | { op: 'users'; after: string; limit: number }
  | { op: 'page-of-user'; user: string; afterId: number; limit: number }
  | { op: 'journal-state' }
  | { op: 'oldest' }
  | { op: 'forget-events'; user: string }
  | { op: 'log-positions' }
  | { op: 'begin-log'; inode: string }
  | { op: 'end-log'; inode: string };

export interface NumberedPart extends LogPart {
  entries: readonly JournalEntry[];
}

/** How much is in the journal, or went out of it. */
export interface Amount {
  transactions: number;
  octets: number;
}

/** `leftOut`: ids of entries that were over a user's share; `removed`: what was forgotten on the way. */
export interface KeepResult {
  leftOut: number[];
  removed: Amount;
}

export type JournalResult =
  | KeepResult
  | Amount
  | (Amount & { lastId: number })
  | string[]
  | number
  | JournalPage
  | readonly (readonly [string, number])[];

/** `id` never comes back (AUTOINCREMENT): a late forget must not hit a later entry. */
export const JOURNAL_TABLE = `
  CREATE TABLE journal (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    transaction_json TEXT NOT NULL
  ) STRICT;
`;

/** `inode` is a text: it may be larger than what a double holds. */
export const EVENT_LOG_TABLES = `
  ALTER TABLE journal ADD COLUMN octets INTEGER NOT NULL DEFAULT 0;
  UPDATE journal SET octets = length(transaction_json);
  CREATE INDEX journal_user ON journal (user, id, octets);
  CREATE TABLE event_log (
    inode TEXT PRIMARY KEY,
    position INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE set_aside (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    user TEXT,
    reason TEXT NOT NULL,
    content TEXT NOT NULL
  ) STRICT;
`;

/** Numbers that this program would not write are not read either: nothing damaged may stop it. */
const SAFE_ID = 'BETWEEN 1 AND 4503599627370496';
const safeTime = (column: string): string => `max(0, min(${column}, 9007199254740991))`;
const MOST_SET_ASIDE = 100;
const MOST_SET_ASIDE_CHARS = 8_192;
const MOST_PAGE_OCTETS = 4 * 1_048_576;
const NOTHING: Amount = { transactions: 0, octets: 0 };

/** The event journal, which shares the outbox's file and its fsyncs. */
export function prepareJournal(
  db: DatabaseSync,
  { ofUser }: Pick<JournalLimits, 'ofUser'>,
): (job: JournalJob) => JournalResult {
  const insert = db.prepare(
    'INSERT INTO journal (id, user, received_at, transaction_json, octets) VALUES (?, ?, ?, ?, ?)',
  );
  const remove = db.prepare('DELETE FROM journal WHERE id = ? RETURNING octets');
  const copyAside = db.prepare(`
    INSERT INTO set_aside (at, user, reason, content)
    SELECT ?, user, ?, substr(transaction_json, 1, ${MOST_SET_ASIDE_CHARS}) FROM journal WHERE id = ?`);
  const addAside = db.prepare(
    'INSERT INTO set_aside (at, user, reason, content) VALUES (?, ?, ?, ?)',
  );
  const cutAside = db.prepare(
    `DELETE FROM set_aside WHERE id <= (SELECT max(id) FROM set_aside) - ${MOST_SET_ASIDE}`,
  );
  const share = db.prepare(
    'SELECT count(*) AS transactions, total(octets) AS octets FROM journal WHERE user = ?',
  );
  const state = db.prepare(`
    SELECT count(*) AS transactions, total(octets) AS octets, max(
      coalesce((SELECT max(id) FROM journal WHERE id ${SAFE_ID}), 0),
      coalesce((SELECT max(seq) FROM sqlite_sequence WHERE name = 'journal' AND seq ${SAFE_ID}), 0)
    ) AS last_id FROM journal WHERE id ${SAFE_ID}`);
  const nextUser = db.prepare('SELECT user FROM journal WHERE user > ? ORDER BY user LIMIT 1');
  const page = db.prepare(`
    SELECT id, user, ${safeTime('received_at')} AS received_at, transaction_json, octets
    FROM journal WHERE user = ? AND id > ? AND id ${SAFE_ID} ORDER BY id LIMIT ?`);
  const oldest = db.prepare(`
    SELECT ${safeTime('received_at')} AS received_at FROM journal WHERE id ${SAFE_ID} ORDER BY id LIMIT 1`);
  const removeUser = db.prepare('DELETE FROM journal WHERE user = ? RETURNING octets');
  const removeAside = db.prepare('DELETE FROM set_aside WHERE user = ?');
  const position = db.prepare(
    `INSERT INTO event_log VALUES (?, ?) ON CONFLICT DO UPDATE SET position = excluded.position`,
  );
  const endLog = db.prepare('DELETE FROM event_log WHERE inode = ?');
  const positions = db.prepare(`SELECT inode, ${safeTime('position')} AS position FROM event_log`);

  function forget(ids: readonly number[]): Amount {
    let octets = 0;
    let transactions = 0;
    for (const id of ids) {
      const row = remove.get(id);
      if (row === undefined) continue;
      transactions += 1;
      octets += Number(row['octets']);
    }
    return { transactions, octets };
  }

  function keep({ entries, setAside, log }: LogPart & { entries: readonly JournalEntry[] }) {
    const shares = new Map<string, Amount>();
    const leftOut: number[] = [];
    for (const { id, user, receivedAt, transaction } of entries) {
      const used = shares.get(user) ?? amountOf(share.get(user));
      shares.set(user, used);
      if (used.transactions >= ofUser.transactions || used.octets >= ofUser.octets) {
        leftOut.push(id);
        continue;
      }
      insert.run(id, user, receivedAt, transaction, transaction.length);
      used.transactions += 1;
      used.octets += transaction.length;
    }
    addAllAside(setAside);
    if (log !== undefined) position.run(log.inode, log.position);
    return leftOut;
  }

  function addAllAside(items: readonly SetAside[]): void {
    if (items.length === 0) return;
    for (const { at, user, reason, content } of items.slice(-MOST_SET_ASIDE)) {
      addAside.run(at, user ?? null, reason, content.slice(0, MOST_SET_ASIDE_CHARS));
    }
    cutAside.run();
  }

  function pageOf(user: string, afterId: number, limit: number): JournalPage {
    const entries: JournalEntry[] = [];
    let octets = 0;
    for (const row of page.iterate(user, afterId, limit)) {
      octets += Number(row['octets']);
      if (entries.length > 0 && octets > MOST_PAGE_OCTETS) return { entries, isLast: false };
      entries.push({
        id: Number(row['id']),
        user: String(row['user']),
        receivedAt: Number(row['received_at']),
        transaction: String(row['transaction_json']),
      });
    }
    return { entries, isLast: entries.length < limit };
  }

  function users(after: string, limit: number): string[] {
    const found: string[] = [];
    for (let last = after; found.length < limit; found.push(last)) {
      const row = nextUser.get(last);
      if (row === undefined) break;
      last = String(row['user']);
    }
    return found;
  }

  return (job) => {
    switch (job.op) {
      case 'keep': {
        const removed = forget(job.forget);
        return { leftOut: keep(job.part), removed };
      }
      case 'forget':
        return forget(job.ids);
      case 'give-up':
        copyAside.run(job.at, job.reason, job.id);
        cutAside.run();
        return forget([job.id]);
      case 'users':
        return users(job.after, job.limit);
      case 'page-of-user':
        return pageOf(job.user, job.afterId, job.limit);
      case 'journal-state': {
        const row = state.get();
        return { ...amountOf(row), lastId: Number(row?.['last_id']) };
      }
      case 'oldest':
        return Number(oldest.get()?.['received_at'] ?? Infinity);
      case 'forget-events': {
        const removed = removeUser.all(job.user);
        const aside = Number(removeAside.run(job.user).changes);
        const octets = removed.reduce((sum, row) => sum + Number(row['octets']), 0);
        return { transactions: removed.length, octets, aside };
      }
      case 'log-positions':
        return positions
          .all()
          .map((row) => [String(row['inode']), Number(row['position'])] as const);
      case 'begin-log':
        position.run(job.inode, 0);
        return NOTHING;
      case 'end-log':
        endLog.run(job.inode);
        return NOTHING;
    }
  };
}

const amountOf = (row: Record<string, SQLOutputValue> | undefined): Amount => ({
  transactions: Number(row?.['transactions'] ?? 0),
  octets: Number(row?.['octets'] ?? 0),
});
