import { DatabaseSync } from 'node:sqlite';
import { UnavailableError } from '../../errors.ts';
import { migrate, type Schema } from './migrate.ts';

/** A WAL that a burst has blown up is cut back to this many octets at the next checkpoint. */
const WAL_LIMIT = 16 * 1024 * 1024;

/** As `PRAGMA auto_vacuum` says it. */
const INCREMENTAL = 2;

/**
 * The writing connection: write-ahead log, so that readers and backups go on during a commit, and
 * synchronous=FULL, so that what was committed survives a power failure (but see JobRunner.mayBeLost).
 *
 * @throws UnavailableError from {@link migrate}; errors of SQLite as they are
 */
export function openWritable(path: string, schema: Schema, busyTimeoutMsecs: number): DatabaseSync {
  const db = new DatabaseSync(path);
  try {
    db.exec(`PRAGMA busy_timeout = ${busyTimeoutMsecs}`);
    // Takes effect on a new file only, and only ahead of the journal mode; an old one it would write
    // to, which a full disk refuses.
    if (db.prepare('PRAGMA auto_vacuum').get()?.['auto_vacuum'] !== INCREMENTAL)
      db.exec('PRAGMA auto_vacuum = INCREMENTAL');
    const mode = db.prepare('PRAGMA journal_mode = WAL').get()?.['journal_mode'];
    if (mode !== 'wal')
      throw new UnavailableError(
        `${path} is on a file system without shared memory (a network share?): use a local disk.`,
      );
    db.exec('PRAGMA synchronous = FULL');
    // What is removed is overwritten: the text of a push that was sent, a user who was forgotten.
    db.exec('PRAGMA secure_delete = ON');
    db.exec(`PRAGMA journal_size_limit = ${WAL_LIMIT}`);
    db.exec(`PRAGMA wal_autocheckpoint = ${WAL_LIMIT / 4096}`);
    db.exec('PRAGMA cache_size = -16384');
    migrate(db, schema, path);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
