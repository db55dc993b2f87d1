import type { DatabaseSync } from 'node:sqlite';
import { UnavailableError } from '../../errors.ts';

/** How a database file of ours is laid out, and how it came to be so. */
export interface Schema {
  /** Stored in the file's header: tells our files from others and from each other. */
  applicationId: number;
  /** Migration n leads from version n to n + 1. Never change one that was released. */
  migrations: readonly string[];
}

/**
 * Brings `db` to the newest version of `schema`, in one transaction.
 *
 * @throws UnavailableError the file belongs to another program, or to a newer version of this one;
 *   nothing was changed
 */
export function migrate(db: DatabaseSync, schema: Schema, path: string): void {
  if (checkVersion(db, schema, path) === schema.migrations.length) return;
  db.exec('BEGIN IMMEDIATE');
  try {
    const version = checkVersion(db, schema, path);
    for (const migration of schema.migrations.slice(version)) db.exec(migration);
    db.exec(`PRAGMA application_id = ${schema.applicationId}`);
    db.exec(`PRAGMA user_version = ${schema.migrations.length}`);
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

function checkVersion(db: DatabaseSync, schema: Schema, path: string): number {
  const applicationId = readNumber(db, 'PRAGMA application_id');
  const version = readNumber(db, 'PRAGMA user_version');
  const empty = readNumber(db, 'SELECT count(*) FROM sqlite_schema') === 0;
  if (empty && version === 0) return 0;
  if (applicationId !== schema.applicationId)
    throw new UnavailableError(
      `${path} is a database of another program or for another purpose: name another file.`,
    );
  const newest = schema.migrations.length;
  if (version > newest)
    throw new UnavailableError(
      `${path} was written by a newer coi-sidecar (schema version ${version}, this one knows ` +
        `${newest}): upgrade, or put a backup from before the upgrade in its place.`,
    );
  return version;
}

function readNumber(db: DatabaseSync, sql: string): number {
  const row = db.prepare(sql).get() ?? {};
  return Number(Object.values(row)[0]);
}
