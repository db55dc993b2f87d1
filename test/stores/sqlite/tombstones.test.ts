import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { migrate } from '../../../src/stores/sqlite/migrate.ts';
import { outbox } from '../../../src/stores/sqlite/outbox.ts';
import {
  hashDedupeKey,
  prepareTombstones,
  type Tombstones,
} from '../../../src/stores/sqlite/tombstones.ts';

const REMEMBER = 3000;

function open(rememberMsecs = REMEMBER): { tombstones: Tombstones; count: () => number } {
  const db = new DatabaseSync(':memory:');
  migrate(db, outbox.schema, ':memory:');
  const count = db.prepare('SELECT count(*) AS n FROM settled');
  return {
    tombstones: prepareTombstones(db, rememberMsecs),
    count: () => Number(count.get()?.['n']),
  };
}

describe('tombstones', () => {
  it('are there for the time that is remembered, to the millisecond', () => {
    const { tombstones } = open();
    const key = hashDedupeKey('a');
    assert.equal(tombstones.has(key, 1000), false);
    tombstones.set(key, 1000);
    assert.equal(tombstones.has(key, 1000 + REMEMBER - 1), true);
    assert.equal(tombstones.has(key, 1000 + REMEMBER), false);
    assert.equal(tombstones.has(hashDedupeKey('b'), 1000), false);
    tombstones.set(key, 5000);
    assert.equal(tombstones.has(key, 5000 + REMEMBER - 1), true);
  });

  it('are not kept when nothing is remembered', () => {
    const { tombstones, count } = open(0);
    tombstones.set(hashDedupeKey('a'), 1000);
    assert.equal(count(), 0);
    assert.equal(tombstones.has(hashDedupeKey('a'), 1000), false);
  });

  it('never vanish early, and are at most a third out of date in the long run', () => {
    const { tombstones, count } = open();
    // One a millisecond: as many are alive as milliseconds are remembered.
    for (let now = 0; now < 5 * REMEMBER; now++) {
      tombstones.set(hashDedupeKey(`${now}`), now);
      if (now % 197 === 0) {
        assert(tombstones.has(hashDedupeKey(`${Math.max(0, now - REMEMBER + 1)}`), now));
        assert(count() <= REMEMBER * 1.4 + 64, `${count()} at ${now}`);
      }
    }
    assert(count() >= REMEMBER);
  });
});
