import { closeSync, fstatSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { MOST_ID } from './sound-rows.ts';

/** Damaged files that stay beside the new one; of more, the oldest go. */
const MOST_ASIDE = 3;
/** A log of SQLite's goes with its file. */
const PARTS = ['', '-wal', '-shm'];

/**
 * Renames a damaged database and leaves an empty file, for its owner alone, in its place.
 *
 * @param now milliseconds since the epoch: part of the name
 * @returns where the damaged one is, and the inode of the empty one
 */
export function setFileAside(path: string, now: number): { aside: string; inode: number } {
  const stem = `${path}.damaged-`;
  const directory = dirname(path);
  const older = readdirSync(directory)
    .filter((name) => name.startsWith(basename(stem)) && !/-(?:wal|shm)$/.test(name))
    .sort();
  for (const name of older.slice(0, Math.max(0, older.length - MOST_ASIDE + 1))) {
    for (const part of PARTS) rmSync(join(directory, name + part), { force: true });
  }
  const aside = stem + new Date(now).toISOString().replaceAll(':', '');
  for (const part of PARTS) {
    try {
      renameSync(path + part, aside + part);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  const file = openSync(path, 'wx', 0o600);
  const { ino } = fstatSync(file);
  closeSync(file);
  return { aside, inode: ino };
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
  let rows = 0;
  db.exec('BEGIN IMMEDIATE');
  try {
    const old = openDamaged(from);
    if (old !== undefined) {
      for (const table of tables) rows += copyTable(old, db, table);
      old.close();
    }
    renewSequences(db, now);
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
  return rows;
}

function openDamaged(path: string): DatabaseSync | undefined {
  try {
    return new DatabaseSync(path, { readOnly: true });
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
