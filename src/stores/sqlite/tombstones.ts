import { hash } from 'node:crypto';
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';

/** Settled pushes, by the hash of their dedupe key. Dates are in milliseconds since the epoch. */
export interface Tombstones {
  /** Whether one was set within the time that is remembered. */
  has(dedupeHash: Uint8Array, now: number): boolean;
  set(dedupeHash: SQLInputValue, now: number): void;
}

/** Tombstones set from one tidying up to the next. */
const TIDY_EVERY = 64;
/** Tombstones looked at for each new one: no more than a third of all are out of date. */
const STEPS = 4;

/** Below and above all hashes. */
const FIRST_HASH: SQLInputValue = Buffer.alloc(0);
const LAST_HASH: SQLInputValue = Buffer.alloc(17, 0xff);

/** Half a SHA-256: tombstones outnumber the pushes that are owed by far, so they are kept small. */
export const hashDedupeKey = (dedupeKey: string): Buffer =>
  hash('sha256', dedupeKey, 'buffer').subarray(0, 16);

export function prepareTombstones(db: DatabaseSync, rememberMsecs: number): Tombstones {
  // A date that is farther off than is remembered is none, whichever way: a clock was wrong, or the file
  // is damaged.
  const find = db.prepare(
    'SELECT 1 FROM settled WHERE dedupe_hash = ? AND settled_at > ? AND settled_at < ?',
  );
  const insert = db.prepare('INSERT OR REPLACE INTO settled VALUES (?, ?)');
  const lookAhead = db.prepare(
    'SELECT CAST(dedupe_hash AS BLOB) AS dedupe_hash FROM settled WHERE dedupe_hash > ? ' +
      'ORDER BY settled.dedupe_hash LIMIT 1 OFFSET ?',
  );
  const remove = db.prepare(
    'DELETE FROM settled WHERE dedupe_hash > ? AND dedupe_hash <= ? ' +
      'AND (settled_at <= ? OR settled_at >= ?)',
  );

  // A hand goes round all tombstones as new ones come, so that the old ones die out without an index
  // on their dates and without a timer.
  let hand: SQLInputValue = FIRST_HASH;
  let fresh = 0;
  const tidy = (now: number): void => {
    const next = lookAhead.get(hand, STEPS * fresh)?.['dedupe_hash'] ?? LAST_HASH;
    remove.run(hand, next, now - rememberMsecs, now + rememberMsecs);
    hand = next === LAST_HASH ? FIRST_HASH : next;
    fresh = 0;
  };

  return {
    has: (dedupeHash, now) =>
      find.get(dedupeHash, now - rememberMsecs, now + rememberMsecs) !== undefined,
    set(dedupeHash, now) {
      if (rememberMsecs <= 0) return;
      insert.run(dedupeHash, now);
      fresh += 1;
      if (fresh >= TIDY_EVERY) tidy(now);
    },
  };
}
