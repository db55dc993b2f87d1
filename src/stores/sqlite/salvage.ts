import {
  appendFileSync,
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { MOST_ID } from './sound-rows.ts';

/** Damaged files that stay beside the new one; of more, the oldest go. */
const MOST_ASIDE = 3;
/** A log of SQLite's goes with its file. */
const PARTS = ['', '-wal', '-shm'];
/** Of so many processes that ended while they read a damaged file, the file may have been the cause. */
const MOST_ATTEMPTS = 3;

/**
 * A damaged database that is to give its place to a new one. It is beside it under a name of its own until
 * all that can be read of it is in the new one, and under another one afterwards: whenever the process
 * ends, the next one sees by the names what is left to do.
 */
export class DamagedFile {
  readonly #path: string;
  /** Where it waits to be read. */
  readonly waiting: string;
  /** As many octets as processes ended while they read it. */
  readonly #attempts: string;

  /** @param path of the database in use */
  constructor(path: string) {
    this.#path = path;
    this.waiting = `${path}.salvage`;
    this.#attempts = `${path}.salvage-attempts`;
  }

  /**
   * Renames the damaged database and leaves an empty file, for its owner alone, in its place.
   *
   * @param now milliseconds since the epoch
   * @returns the inode of the empty one
   */
  setAside(now: number): number {
    if (existsSync(this.waiting)) this.#keep(now); // the new one is damaged, and had nothing of it yet
    const empty = `${this.#path}.new`;
    rmSync(empty, { force: true });
    const file = openSync(empty, 'wx', 0o600);
    const { ino } = fstatSync(file);
    closeSync(file);
    rename(this.#path, this.waiting);
    renameSync(empty, this.#path);
    return ino;
  }

  /** Ends what a process before this one had begun to rename; to be called before the new one is opened. */
  gather(): void {
    if (existsSync(this.waiting)) {
      // Beside a file that was never used they are of the other.
      if (statSync(this.#path, { throwIfNoEntry: false })?.size === 0)
        rename(this.#path, this.waiting, PARTS.slice(1));
    } else for (const part of PARTS) rmSync(this.waiting + part, { force: true });
  }

  /**
   * Has `read` take what it can out of the damaged database, if one waits, and keeps that for people to
   * look at. With an error of `read` it goes on waiting.
   *
   * @param now milliseconds since the epoch: part of the name that it gets
   * @returns where it is now, and what `read` returned: 0 if that has ended too many processes
   */
  salvage(now: number, read: () => number): { aside: string; salvaged: number } | undefined {
    if (!existsSync(this.waiting)) return undefined;
    const attempts = statSync(this.#attempts, { throwIfNoEntry: false })?.size ?? 0;
    let salvaged = 0;
    if (attempts < MOST_ATTEMPTS) {
      try {
        noteAttempt(this.#attempts);
        salvaged = read();
      } finally {
        rmSync(this.#attempts, { force: true });
      }
    }
    return { aside: this.#keep(now), salvaged };
  }

  #keep(now: number): string {
    const stem = `${this.#path}.damaged-`;
    const directory = dirname(stem);
    const older = readdirSync(directory)
      .filter((name) => name.startsWith(basename(stem)) && !/-(?:wal|shm)$/.test(name))
      .sort();
    for (const name of older.slice(0, Math.max(0, older.length - MOST_ASIDE + 1))) {
      for (const part of PARTS) rmSync(join(directory, name + part), { force: true });
    }
    const aside = stem + new Date(now).toISOString().replaceAll(':', '');
    rename(this.waiting, aside);
    rmSync(this.#attempts, { force: true });
    return aside;
  }
}

function noteAttempt(path: string): void {
  try {
    appendFileSync(path, '.', { mode: 0o600 });
  } catch {
    // The disk is full: then the salvage fails too, or is a small one.
  }
}

function rename(from: string, to: string, parts = PARTS): void {
  for (const part of parts) {
    try {
      renameSync(from + part, to + part);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

/**
 * Copies into `db` what can be read of the same tables in the damaged file at `from`, from both ends of
 * each: in between may be what cannot.
 *
 * @param now milliseconds since the epoch: ids from now on are higher, so that none comes back
 * @returns how many rows
 */
export function salvage(db: DatabaseSync, from: string, now: number): number {
  const tables = db
    .prepare("SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
    .all()
    .map(({ name, wr }) => ({ name: String(name), hasRowid: wr === 0 }))
    .filter(({ name }) => !name.startsWith('sqlite_'));
  const old = openDamaged(from);
  let rows = 0;
  db.exec('BEGIN IMMEDIATE');
  try {
    if (old !== undefined) {
      for (const table of tables) rows += copyTable(old, db, table);
    }
    renewSequences(db, now);
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  } finally {
    old?.close();
  }
  return rows;
}

function openDamaged(path: string): DatabaseSync | undefined {
  try {
    const db = new DatabaseSync(path, { readOnly: true });
    db.enableDefensive(false);
    // Else SQLite reads nothing of a file that was cut off: it has fewer pages than it says.
    db.exec('PRAGMA writable_schema = ON');
    return db;
  } catch {
    return undefined;
  }
}

function copyTable(
  old: DatabaseSync,
  db: DatabaseSync,
  { name, hasRowid }: { name: string; hasRowid: boolean },
): number {
  const known = columnsOf(old, name);
  // One that is newer than the damaged file has its default.
  const names = columnsOf(db, name).filter((column) => known.includes(column));
  if (names.length === 0) return 0;
  const places = names.map(() => '?').join(', ');
  const insert = db.prepare(`INSERT OR IGNORE INTO ${name} (${names.join()}) VALUES (${places})`);
  let rows = 0;
  for (const direction of ['ASC', 'DESC']) {
    const order = `${hasRowid ? 'rowid' : names[0]} ${direction}`;
    try {
      const read = old.prepare(`SELECT ${names.join()} FROM ${name} ORDER BY ${order}`);
      read.setReadBigInts(true);
      for (const row of read.iterate()) rows += insertRow(Object.values(row));
    } catch {
      // Here the damage begins.
    }
  }
  return rows;

  function insertRow(values: SQLInputValue[]): number {
    try {
      return Number(insert.run(...values).changes);
    } catch (error) {
      // A value that the table does not take; but a full disk is no fault of the row.
      if (!(error instanceof Error && 'errcode' in error && error.errcode === 13)) return 0;
      throw error;
    }
  }
}

/** None where that cannot be read: then the rows cannot either. */
function columnsOf(db: DatabaseSync, table: string): string[] {
  try {
    const columns = db.prepare(`SELECT name FROM pragma_table_info('${table}')`).all();
    return columns.map(({ name }) => String(name));
  } catch {
    return [];
  }
}

/** What was not salvaged may have had higher ids than what was. */
function renewSequences(db: DatabaseSync, now: number): void {
  const counted = db
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'")
    .all();
  for (const { name } of counted) {
    const table = String(name);
    db.prepare('DELETE FROM sqlite_sequence WHERE name = ?').run(table);
    db.prepare(
      `INSERT INTO sqlite_sequence (name, seq)
       SELECT ?, max(?, coalesce((SELECT max(rowid) FROM ${table} WHERE rowid < ?), 0))`,
    ).run(table, now, MOST_ID);
  }
}
