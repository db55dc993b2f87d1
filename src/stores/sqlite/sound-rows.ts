import type { DatabaseSync } from 'node:sqlite';

/** The last moment that a Date can be, in milliseconds since the epoch (ECMA-262, "Time Values"). */
export const MOST_TIME = 8_640_000_000_000_000;
/** Above it an id is none that SQLite gave; near 2^63 it could not give many more. */
export const MOST_ID = 2 ** 52;
const MOST_ATTEMPTS = 1_000_000_000;
/** Far more than the longest mailbox name, endpoint and payload together. */
const MOST_OCTETS = 1_048_576;

/** Rows set aside, and octets of one of them. */
const MOST_ASIDE = 1_000;
const MOST_ASIDE_OCTETS = 65_536;

export const DAMAGED_TABLE = `
  CREATE TABLE damaged (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    user TEXT,
    row_json TEXT NOT NULL
  ) STRICT;
`;

const TEXTS = ['user', 'subscription_id', 'endpoint', 'payload', 'dedupe_key'];
const TIMES = ['created_at', 'expires_at', 'next_attempt_at'];
const COUNTS = ['attempts', 'unanswered'];

/**
 * What a row of `owed` must be to be used, as SQL: what a STRICT table takes and a number of JavaScript
 * holds is not yet a date or a count, and a damaged schema takes anything.
 */
export const SOUND_PUSH = [
  `id BETWEEN 1 AND ${MOST_ID}`,
  ...TEXTS.map((column) => `typeof(${column}) = 'text'`),
  `${TEXTS.map((column) => `octet_length(${column})`).join(' + ')} <= ${MOST_OCTETS}`,
  ...TIMES.flatMap((column) => isWhole(column, MOST_TIME)),
  ...COUNTS.flatMap((column) => isWhole(column, MOST_ATTEMPTS)),
  "kind IN ('message', 'validation', 'test')",
  "urgency IN ('very-low', 'low', 'normal', 'high')",
].join(' AND ');

function isWhole(column: string, most: number): string[] {
  return [`typeof(${column}) = 'integer'`, `${column} BETWEEN 0 AND ${most}`];
}

/** A moment as a column takes it and {@link SOUND_PUSH} lets it pass. */
export const toTime = (msecs: number): number => toWhole(msecs, MOST_TIME);
export const toAttempts = (count: number): number => toWhole(count, MOST_ATTEMPTS);

const toWhole = (value: number, most: number): number =>
  Math.min(Math.max(Math.round(value) || 0, 0), most);

/**
 * Moves rows of `owed` that are not sound into the table `damaged`, which keeps the first of them, and
 * lets ids begin where they end. What cannot be moved (the disk is full) stays, and is overlooked.
 *
 * @returns how many rows are not sound
 */
export function setPushesAside(db: DatabaseSync): number {
  // NULL where a column is NULL.
  const unsound = `(${SOUND_PUSH}) IS NOT TRUE`;
  const count = db.prepare(`SELECT count(*) AS count FROM owed WHERE ${unsound}`);
  const found = Number(count.get()?.['count']);
  const lastId = db.prepare(
    `SELECT 1 FROM sqlite_sequence WHERE typeof(seq) <> 'integer' OR seq NOT BETWEEN 0 AND ${MOST_ID}`,
  );
  if (found === 0 && lastId.get() === undefined) return 0;
  try {
    db.exec('BEGIN IMMEDIATE');
    db.exec(`
      INSERT INTO damaged (source, user, row_json)
        SELECT 'owed', CASE typeof(user) WHEN 'text' THEN substr(user, 1, 1024) END, row_json
        FROM (SELECT user, ${ROW_JSON} AS row_json FROM owed WHERE ${unsound})
        WHERE octet_length(row_json) <= ${MOST_ASIDE_OCTETS}
        LIMIT max(0, ${MOST_ASIDE} - (SELECT count(*) FROM damaged));
      DELETE FROM owed WHERE ${unsound};
      UPDATE sqlite_sequence SET seq = (SELECT coalesce(max(id), 0) FROM owed) WHERE name = 'owed'
        AND (typeof(seq) <> 'integer' OR seq NOT BETWEEN 0 AND ${MOST_ID});
      COMMIT`);
  } catch {
    if (db.isTransaction) db.exec('ROLLBACK');
  }
  return found;
}

/** The row as JSON, each value as an SQL literal: `'text'`, `123`, `X'AB'`, `NULL`. */
const ROW_JSON = `json_object(${[
  ...['id', 'dedupe_hash', ...TEXTS, ...TIMES, ...COUNTS, 'kind', 'urgency'],
]
  .map((column) => `'${column}', quote(${column})`)
  .join()})`;
