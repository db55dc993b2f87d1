import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { it } from 'node:test';
import { migrate } from '../../../src/stores/sqlite/migrate.ts';
import { outbox } from '../../../src/stores/sqlite/outbox.ts';
import { salvage } from '../../../src/stores/sqlite/salvage.ts';
import { makeTempDir } from '../make-temp-dir.ts';
import { teardownOf } from '../../support/create-teardown.ts';

for (const version of outbox.schema.migrations.keys()) {
  if (version === 0) continue;
  it(`salvages pushes of a damaged outbox of version ${version}`, (t) => {
    const dir = makeTempDir();
    teardownOf(t).defer(() => dir.remove());
    const path = join(dir.path, 'outbox.db');
    const old = new DatabaseSync(path);
    const { schema } = outbox;
    migrate(old, { ...schema, migrations: schema.migrations.slice(0, version) }, path);
    old.exec(`INSERT INTO owed (dedupe_hash, user, subscription_id, endpoint, kind, payload, urgency,
      created_at, expires_at, dedupe_key, attempts, next_attempt_at)
      VALUES (X'00', 'alice', '1', 'https://push.example.net/1', 'message', '{}', 'high', 1, 2, 'a', 3, 4)`);
    old.close();

    const db = new DatabaseSync(':memory:');
    migrate(db, schema, ':memory:');
    assert.equal(salvage(db, path, 1_000), 1);
    const { user, attempts, unanswered } = db.prepare('SELECT * FROM owed').get() ?? {};
    assert.deepEqual([user, attempts, unanswered], ['alice', 3, 0]);
    db.close();
  });
}
