import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { UnavailableError } from '../../src/errors.ts';
import { createLogger } from '../../src/logging.ts';
import { addStoredUsers, noteUsers } from '../../src/stores/note-users.ts';
import { UserFilter } from '../../src/stores/user-filter.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { makeTempDir } from './make-temp-dir.ts';

const directory = makeTempDir();
after(directory.remove);
let files = 0;

function setUp() {
  const path = join(directory.path, `users-${(files += 1)}`, 'marks');
  const filter = new UserFilter(path, createLogger('silent'));
  const marks = (): number => readFileSync(path).filter((octet) => octet !== 0).length;
  return { path, filter, marks };
}

const set = (key: string) => ({ op: 'set', key, value: Buffer.from('x') }) as const;

describe('UserFilter', () => {
  it('puts no file there until it is told that everybody who matters was added', async () => {
    const { path, filter, marks } = setUp();
    await filter.add('anna');
    assert.equal(existsSync(path), false);
    await filter.publish();
    assert.equal(marks(), 1);
    assert.equal(statSync(path).mode & 0o777, 0o640, 'who uses COI is not for all to know');
    await filter.close();
  });

  it('has every user in the file when adding resolves', async () => {
    const { filter, marks } = setUp();
    await filter.publish();
    for (let count = 1; count <= 50; count += 1) {
      await Promise.all([filter.add(`user${count}`), filter.add(`user${count}`)]);
      assert.equal(marks(), count);
    }
    await filter.close();
  });

  it('begins with nobody when it is cleared', async () => {
    const { path, filter, marks } = setUp();
    await filter.add('anna');
    await filter.publish();
    await filter.clear();
    assert.equal(existsSync(path), false);
    await filter.add('bob');
    await filter.publish();
    assert.equal(marks(), 1);
    await filter.close();
  });

  it('takes the file away for good when it is closed', async () => {
    const { path, filter } = setUp();
    await filter.publish();
    await filter.close();
    assert.equal(existsSync(path), false);
    await filter.publish();
    assert.equal(existsSync(path), false);
  });

  const skip = process.getuid?.() !== 0 && 'only root can give files to another group';
  it('has the group of its directory', { skip }, async () => {
    const { path } = setUp();
    let prepared = 0;
    const prepare = (): Promise<void> => {
      prepared += 1;
      mkdirSync(dirname(path), { recursive: true });
      return Promise.resolve();
    };
    const filter = new UserFilter(path, createLogger('silent'), { prepare, groupId: 4_001 });
    await filter.publish();
    assert.deepEqual(
      [statSync(path).gid, statSync(path).mode & 0o777, prepared],
      [4_001, 0o640, 1],
    );
    await filter.close();
  });

  it('says so when a file is in the way that it cannot remove', async () => {
    const { path, filter } = setUp();
    mkdirSync(path, { recursive: true });
    await assert.rejects(filter.remove(), (error: Error) => {
      assert.ok(error instanceof UnavailableError);
      return /may hide users from Dovecot and cannot be removed/.test(error.message);
    });
    await assert.rejects(filter.check(), UnavailableError);
    rmdirSync(path);
    await filter.check();
  });

  it('lets nobody matter while a file is there that it can neither write nor remove', async () => {
    const { path, filter, marks } = setUp();
    await filter.publish();
    rmSync(path);
    mkdirSync(path); // neither opens for writing nor goes by rm()
    for (const user of ['anna', 'anna', 'bob'])
      await assert.rejects(filter.add(user), UnavailableError, user);
    await assert.rejects(filter.publish(), UnavailableError);
    rmdirSync(path);
    await filter.add('anna');
    await filter.publish();
    assert.equal(marks(), 2);
    await filter.close();
  });
});

describe('noteUsers', () => {
  it('adds whoever sets a key that matters, before it is stored', async () => {
    const { filter, marks } = setUp();
    await filter.publish();
    const memory = new MemoryStore();
    const found: number[] = [];
    const commit = memory.commit.bind(memory);
    memory.commit = (user, changes) => {
      found.push(marks());
      return commit(user, changes);
    };
    const store = noteUsers(memory, filter, ['coi/', 'webpush/subscriptions/']);
    await store.commit('anna', [set('priv/comment')]);
    await store.commit('anna', [{ op: 'unset', key: 'coi/config/enabled' }]);
    await store.commit('anna', [set('priv/comment'), set('coi/config/enabled')]);
    await store.commit('bob', [set('webpush/subscriptions/phone')]);
    assert.deepEqual(found, [0, 0, 1, 2]);
    await filter.close();
  });

  it('misses nobody who is stored while the filter is cleared', async () => {
    const { filter, marks } = setUp();
    const memory = new MemoryStore();
    const commit = memory.commit.bind(memory);
    memory.commit = async (user, changes) => {
      await filter.clear();
      await addStoredUsers(memory, filter, ['coi/']);
      await filter.publish();
      return commit(user, changes);
    };
    const store = noteUsers(memory, filter, ['coi/']);
    await store.commit('anna', [set('coi/config/enabled')]);
    assert.equal(marks(), 1);
    await filter.close();
  });

  it('finds those who had such keys before', async () => {
    const { filter, marks } = setUp();
    const store = new MemoryStore();
    await store.commit('anna', [set('coi/config/enabled')]);
    await store.commit('bob', [set('webpush/subscriptions/phone')]);
    for (let count = 0; count < 200; count += 1) await store.commit(`u${count}`, [set('priv/a')]);
    await addStoredUsers(store, filter, ['coi/', 'webpush/subscriptions/']);
    await filter.publish();
    assert.equal(marks(), 2);
    await filter.close();
  });
});
