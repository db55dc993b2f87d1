import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { UnavailableError } from '../../../src/errors.ts';
import { jobRunners } from '../../../src/stores/sqlite/job-runners.ts';
import { migrate, type Schema } from '../../../src/stores/sqlite/migrate.ts';

const PATH = '/var/lib/coi-sidecar/state.db';

const toVersion = (schema: Schema, version: number): Schema => ({
  ...schema,
  migrations: schema.migrations.slice(0, version),
});

const tables = (db: DatabaseSync): unknown[] =>
  db.prepare('SELECT type, name, sql FROM sqlite_schema ORDER BY name').all();

const readNumber = (db: DatabaseSync, pragma: string): unknown =>
  db.prepare(`PRAGMA ${pragma}`).get()?.[pragma];

for (const [purpose, { schema }] of Object.entries(jobRunners))
  describe(`the schema of ${purpose}`, () => {
    for (const version of schema.migrations.keys())
      it(`comes from version ${version} to the newest`, () => {
        const fresh = new DatabaseSync(':memory:');
        migrate(fresh, schema, PATH);
        const old = new DatabaseSync(':memory:');
        migrate(old, toVersion(schema, version), PATH);
        migrate(old, schema, PATH);
        assert.deepEqual(tables(old), tables(fresh));
        assert.equal(readNumber(old, 'user_version'), schema.migrations.length);
        assert.equal(readNumber(old, 'application_id'), schema.applicationId);
      });
  });

describe('migrate', () => {
  const schema: Schema = {
    applicationId: 4711,
    migrations: [
      'CREATE TABLE a (x)',
      "ALTER TABLE a ADD COLUMN y DEFAULT 'y'; CREATE TABLE b (x);",
      "INSERT INTO b SELECT x || '!' FROM a",
    ],
  };

  for (const version of [1, 2, 3])
    it(`keeps what version ${version} held`, () => {
      const db = new DatabaseSync(':memory:');
      migrate(db, toVersion(schema, version), PATH);
      db.exec("INSERT INTO a (x) VALUES ('kept')");
      migrate(db, schema, PATH);
      assert.deepEqual({ ...db.prepare('SELECT * FROM a').get() }, { x: 'kept', y: 'y' });
      assert.equal(db.prepare('SELECT * FROM b').all().length, version < 3 ? 1 : 0);
      migrate(db, schema, PATH);
      assert.equal(db.prepare('SELECT * FROM b').all().length, version < 3 ? 1 : 0);
    });

  it('takes everything back when one migration fails', () => {
    const db = new DatabaseSync(':memory:');
    migrate(db, toVersion(schema, 1), PATH);
    const before = tables(db);
    const broken = { ...schema, migrations: [...schema.migrations, 'CREATE TABLE a (again)'] };
    assert.throws(() => migrate(db, broken, PATH), /already exists/);
    assert.deepEqual(tables(db), before);
    assert.equal(readNumber(db, 'user_version'), 1);
    assert.equal(db.isTransaction, false);
  });

  it('refuses a file of a newer version, and says what to do', () => {
    const db = new DatabaseSync(':memory:');
    migrate(db, schema, PATH);
    assert.throws(() => migrate(db, toVersion(schema, 2), PATH), {
      name: 'UnavailableError',
      message: /state\.db was written by a newer coi-sidecar .*version 3.* knows 2\): upgrade/,
    });
    assert.equal(readNumber(db, 'user_version'), 3);
  });

  it('refuses a file of another program, or for another purpose', () => {
    const foreign = new DatabaseSync(':memory:');
    foreign.exec('CREATE TABLE theirs (x)');
    const before = tables(foreign);
    assert.throws(() => migrate(foreign, schema, PATH), UnavailableError);
    assert.deepEqual(tables(foreign), before);

    const outbox = new DatabaseSync(':memory:');
    migrate(outbox, jobRunners.outbox.schema, PATH);
    assert.throws(() => migrate(outbox, jobRunners.entries.schema, PATH), {
      message: /of another program or for another purpose/,
    });
  });
});
