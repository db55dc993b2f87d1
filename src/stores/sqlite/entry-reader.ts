import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { UnavailableError } from '../../errors.ts';
import { NO_VALUE, PAGE_ENTRIES, PAGE_OCTETS, type StoreEntry } from '../store.ts';
import { GET_VALUE } from './entries.ts';
import { explainOpening, needsReopening } from './explain-sqlite-error.ts';

/** How many users are read at once: long scans must let the event loop breathe. */
const USERS_PER_PAGE = 500;

/**
 * The reading half of the SQLite store: a connection of its own on the main thread, where a read
 * takes microseconds and never waits for the writer. Each read sees every commit before it.
 */
export class EntryReader {
  readonly #path: string;
  #open: OpenReader | undefined;
  #closed = false;

  constructor(path: string) {
    this.#path = path;
  }

  get(user: string, key: string): Buffer | undefined {
    const row = this.#read((statements) => statements.get.get(user, key));
    return row === undefined ? undefined : toOctets(row['value']);
  }

  list(user: string, prefix: string): StoreEntry[] {
    const rows = this.#read((statements) =>
      statements.list.all(user, Buffer.from(prefix), behind(prefix)),
    );
    return rows.flatMap((row) => {
      const value = toOctets(row['value']);
      return value === undefined ? [] : [{ key: toText(row['key']), value }];
    });
  }

  /**
   * A page of what {@link list} would give: it ends with its number of entries, or with the entry that
   * fills it up, so that no read takes long.
   *
   * @param after the last key of the page before; undefined for the first page
   */
  page(user: string, prefix: string, after: string | undefined, keysOnly: boolean): EntryPage {
    // The first text behind another is that with a NUL.
    const from = Buffer.from(after === undefined ? prefix : `${after}\0`);
    return this.#read(({ keys, list }) => {
      const entries: StoreEntry[] = [];
      let octets = 0;
      for (const row of (keysOnly ? keys : list).iterate(user, from, behind(prefix))) {
        const key = toText(row['key']);
        const value = keysOnly ? NO_VALUE : toOctets(row['value']);
        if (value === undefined) continue;
        entries.push({ key, value });
        octets += key.length + value.length;
        if (entries.length >= PAGE_ENTRIES || octets >= PAGE_OCTETS) {
          return { entries, isLast: false };
        }
      }
      return { entries, isLast: true };
    });
  }

  /** The users that come after `after`, a page of them; the first page is after undefined. */
  users(after: string | undefined): string[] {
    const rows = this.#read(({ users, firstUsers }) =>
      after === undefined ? firstUsers.all() : users.all(after),
    );
    return rows.map((row) => toText(row['name']));
  }

  close(): void {
    this.#closed = true;
    this.#disconnect();
  }

  #disconnect(): void {
    this.#open?.db.close();
    this.#open = undefined;
  }

  /** @throws UnavailableError the file cannot be read */
  #read<T>(query: (statements: OpenReader) => T): T {
    if (this.#closed) throw new UnavailableError(`${this.#path} is closed.`);
    try {
      this.#open ??= openReader(this.#path);
      return query(this.#open);
    } catch (error) {
      if (needsReopening(error)) this.#disconnect();
      throw explainOpening(error, this.#path);
    }
  }
}

export interface EntryPage {
  entries: StoreEntry[];
  /** Nothing comes after it. */
  isLast: boolean;
}

interface OpenReader {
  db: DatabaseSync;
  get: StatementSync;
  list: StatementSync;
  keys: StatementSync;
  users: StatementSync;
  firstUsers: StatementSync;
}

function openReader(path: string): OpenReader {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    db.exec('PRAGMA cache_size = -16384');
    return {
      db,
      get: db.prepare(GET_VALUE),
      list: db.prepare(selectRange('CAST(key AS BLOB) AS key, CAST(value AS BLOB) AS value')),
      // Out of the index alone.
      keys: db.prepare(selectRange('CAST(key AS BLOB) AS key')),
      users: db.prepare(nextUsers('(SELECT min(user) FROM entries WHERE user > ?)')),
      firstUsers: db.prepare(nextUsers('(SELECT min(user) FROM entries)')),
    };
  } catch (error) {
    db.close();
    throw error;
  }
}

const selectRange = (columns: string): string =>
  `SELECT ${columns} FROM entries WHERE user = ? AND entries.key >= CAST(? AS TEXT) ` +
  'AND entries.key < CAST(? AS TEXT) ORDER BY entries.key';

/** 0xFF stands above every octet of UTF-8: the first text after all that begin with the prefix. */
const behind = (prefix: string): Buffer => Buffer.concat([Buffer.from(prefix), Buffer.of(0xff)]);

/** Leaps from user to user in the index, where DISTINCT would read every entry. */
const nextUsers = (first: string): string => `
  WITH RECURSIVE next(name) AS (
    SELECT ${first}
    UNION ALL
    SELECT (SELECT min(user) FROM entries WHERE user > name) FROM next WHERE name IS NOT NULL
  )
  SELECT CAST(name AS BLOB) AS name FROM next WHERE next.name IS NOT NULL LIMIT ${USERS_PER_PAGE}`;

/** Undefined for NULL, which only a damaged table holds: such a row is overlooked. */
function toOctets(value: unknown): Buffer | undefined {
  if (!(value instanceof Uint8Array)) return undefined;
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

/** Names are read as octets: as text, Node 22 ends them at a NUL. */
const toText = (value: unknown): string => toOctets(value)?.toString() ?? '';
