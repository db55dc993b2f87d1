import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, it } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { UnavailableError } from '../../../src/errors.ts';
import { entries } from '../../../src/stores/sqlite/entries.ts';
import { openWritable } from '../../../src/stores/sqlite/open-writable.ts';
import { openSqliteStore } from '../../../src/stores/sqlite/sqlite-store.ts';
import type { Change, Store } from '../../../src/stores/store.ts';
import { makeTempDir } from '../make-temp-dir.ts';

const directory = makeTempDir();
after(directory.remove);

const set = (key: string, value: string | Buffer): Change => ({
  op: 'set',
  key,
  value: Buffer.from(value),
});

const read = async (store: Store, key: string): Promise<string | undefined> =>
  (await store.get('u', key))?.toString();

const unavailable = (message: RegExp): object => ({ name: 'UnavailableError', message });

/** SQL on the database at `path`, run by another process, which then stays until it is killed. */
async function runElsewhere(path: string, sql: string): Promise<ChildProcess> {
  const script = `
    const { DatabaseSync } = require('node:sqlite');
    const db = new DatabaseSync(${JSON.stringify(path)});
    db.exec(${JSON.stringify(sql)});
    console.log('done');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  after(() => child.kill('SIGKILL'));
  await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

const damaged = { name: 'DamagedError', message: /damaged\.db is damaged/ };

describe('an SQLite store', () => {
  it('syncs every commit to disk', () => {
    const db = openWritable(`${directory.path}/pragmas.db`, entries.schema, 10);
    assert.equal(db.prepare('PRAGMA synchronous').get()?.['synchronous'], 2);
    assert.equal(db.prepare('PRAGMA journal_mode').get()?.['journal_mode'], 'wal');
    db.close();
  });

  it('survives the death of its process with all that was committed', async () => {
    const path = `${directory.path}/killed.db`;
    const script = `
      const { openSqliteStore } = await import(${JSON.stringify(
        new URL('../../../src/stores/sqlite/sqlite-store.ts', import.meta.url).href,
      )});
      const store = await openSqliteStore(${JSON.stringify(path)});
      await store.commit('u', [{ op: 'set', key: 'a', value: Buffer.from('1') }]);
      process.kill(process.pid, 'SIGKILL');`;
    const { signal } = spawnSync(process.execPath, ['--input-type=module', '-e', script]);
    assert.equal(signal, 'SIGKILL');
    const store = await openSqliteStore(path);
    assert.equal(await read(store, 'a'), '1');
    await store.close();
  });

  it('refuses commits, but not reads, while another process holds an exclusive lock', async () => {
    const path = `${directory.path}/locked.db`;
    const store = await openSqliteStore(path, { busyTimeoutMsecs: 50 });
    await store.commit('u', [set('a', '1')]);
    const other = await runElsewhere(path, 'BEGIN EXCLUSIVE; DELETE FROM entries');
    const start = performance.now();
    const results = await Promise.allSettled([
      store.commit('u', [set('a', '2')]),
      store.commit('u', [set('b', '2')]),
      store.check(),
    ]);
    assert(performance.now() - start < 2000);
    for (const result of results) {
      assert(result.status === 'rejected' && result.reason instanceof UnavailableError);
      assert.match(result.reason.message, /locked\.db is locked by another process/);
    }
    assert.equal(await read(store, 'a'), '1');
    await kill(other);
    await store.check();
    assert.equal(await store.commit('u', [set('b', '3')]), 'committed');
    assert.equal(await read(store, 'a'), '1');
    assert.equal(await read(store, 'b'), '3');
    await store.close();
  });

  it('waits for a lock that is let go in time', async () => {
    const path = `${directory.path}/waits.db`;
    const store = await openSqliteStore(path, { busyTimeoutMsecs: 10_000 });
    await store.commit('u', [set('a', '1')]);
    const other = await runElsewhere(path, 'BEGIN EXCLUSIVE');
    const commit = store.commit('u', [set('a', '2')]);
    await kill(other);
    assert.equal(await commit, 'committed');
    await store.close();
  });

  it('can be backed up while it runs', async () => {
    const path = `${directory.path}/live.db`;
    const store = await openSqliteStore(path);
    await store.commit('u', [set('a', '1')]);
    const commits = Promise.all(
      Array.from({ length: 200 }, (_, n) =>
        store.commit('u', [set('a', `${n}`), set('b', `${n}`)]),
      ),
    );
    const backup = `${directory.path}/backup.db`;
    const script = `
      const { DatabaseSync, backup } = require('node:sqlite');
      backup(new DatabaseSync(${JSON.stringify(path)}, { readOnly: true }), ${JSON.stringify(backup)});`;
    execFileSync(process.execPath, ['-e', script], { stdio: 'ignore' });
    await commits;
    const db = new DatabaseSync(backup, { readOnly: true });
    assert.equal(db.prepare('PRAGMA integrity_check').get()?.['integrity_check'], 'ok');
    assert(db.prepare('SELECT value FROM entries').all().length > 0);
    db.close();
    const restored = await openSqliteStore(backup);
    assert.match((await read(restored, 'a')) ?? '', /^\d+$/);
    await restored.close();
    await store.close();
  });

  it('refuses to write to a file that was removed, and goes on when it is back', async () => {
    const path = `${directory.path}/moved.db`;
    const store = await openSqliteStore(path);
    await store.commit('u', [set('a', '1')]);
    renameSync(path, `${path}.away`);
    await assert.rejects(store.commit('u', [set('a', '2')]), unavailable(/removed or replaced/));
    await assert.rejects(store.check(), unavailable(/removed or replaced/));
    renameSync(`${path}.away`, path);
    await store.check();
    assert.equal(await read(store, 'a'), '1');
    await store.close();
  });

  it('refuses when the file is damaged, and goes on when it has been put right', async () => {
    const path = `${directory.path}/damaged.db`;
    const first = await openSqliteStore(path);
    await first.commit(
      'u',
      Array.from({ length: 50 }, (_, n) => set(`k${n}`, Buffer.alloc(500, 'x'))),
    );
    await first.close();
    copyFileSync(path, `${path}.good`);
    const overwrite = (from: string, skip: number): void => {
      // By another process: closing the file in this one would drop SQLite's locks on it.
      const options = [`if=${from}`, `of=${path}`, 'bs=4096', 'conv=notrunc', 'status=none'];
      execFileSync('dd', [...options, `seek=${skip}`, `skip=${skip}`]);
    };
    const pages = statSync(path).size / 4096;
    execFileSync('dd', [
      ...['if=/dev/urandom', `of=${path}`, 'bs=4096', 'seek=1', `count=${pages - 1}`],
      ...['conv=notrunc', 'status=none'],
    ]);
    const store = await openSqliteStore(path);
    await assert.rejects(store.get('u', 'k1'), damaged);
    await assert.rejects(store.list('u', ''), damaged);
    await assert.rejects(store.commit('u', [set('k1', '2')]), damaged);
    overwrite(`${path}.good`, 1);
    assert.equal((await store.list('u', '')).length, 50);
    assert.equal(await store.commit('u', [set('k1', '2')]), 'committed');
    assert.equal(await read(store, 'k1'), '2');
    await store.close();
  });

  it('goes on after its writer thread died', async () => {
    const workers: Worker[] = [];
    const remember = (worker: Worker): number => workers.push(worker);
    process.on('worker', remember);
    const store = await openSqliteStore(`${directory.path}/died.db`);
    await store.commit('u', [set('a', '1')]);
    const commits = Promise.allSettled(
      Array.from({ length: 50 }, (_, n) => store.commit('u', [set('a', `${n}`)])),
    );
    const [died] = await Promise.all([workers[0]!.terminate(), commits]);
    assert.equal(died, 1);
    for (const result of await commits)
      assert(result.status === 'fulfilled' || result.reason instanceof UnavailableError);
    assert.equal(await store.commit('u', [set('b', '2')]), 'committed');
    assert.equal(await read(store, 'b'), '2');
    assert.equal(workers.length, 2);
    await assert.rejects(openSqliteStore(`${directory.path}/died.db`), /in use/);
    await store.close();
    process.off('worker', remember);
  });

  it('does not begin with an empty file when its writer thread died and the file is away', async () => {
    const path = `${directory.path}/away.db`;
    const workers: Worker[] = [];
    process.once('worker', (worker: Worker) => workers.push(worker));
    const store = await openSqliteStore(path);
    await store.commit('u', [set('a', '1')]);
    renameSync(path, `${path}.away`);
    await workers[0]!.terminate();
    for (let round = 0; round < 3; round++)
      await assert.rejects(store.commit('u', [set('a', '2')]), unavailable(/removed or replaced/));
    assert(!existsSync(path));
    renameSync(`${path}.away`, path);
    assert.equal(await store.commit('u', [set('b', '2')]), 'committed');
    assert.equal((await store.list('u', '')).length, 2);
    await store.close();
  });

  const mountPoint = `${directory.path}/full`;
  mkdirSync(mountPoint);
  const mounted =
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', mountPoint]).status === 0;
  after(() => mounted && execFileSync('umount', [mountPoint]));

  const noMount = !mounted && 'a file system cannot be mounted here';
  it(
    'refuses when the disk is full, and goes on when there is space',
    { skip: noMount },
    async () => {
      const path = `${mountPoint}/state.db`;
      const store = await openSqliteStore(path);
      await store.commit('u', [set('n', '0'), set('a', '1')]);
      execFileSync('sh', ['-c', `head -c 2000000 /dev/zero > ${mountPoint}/ballast || true`], {
        stdio: 'ignore',
      });
      const results = await Promise.allSettled(
        Array.from({ length: 20 }, () =>
          store.commit('u', [
            { op: 'increment', key: 'n', by: 1 },
            set('b', Buffer.alloc(100_000)),
          ]),
        ),
      );
      for (const result of results) {
        assert(result.status === 'rejected' && result.reason instanceof UnavailableError);
        assert.match(result.reason.message, /state\.db cannot grow: its file system is full/);
      }
      assert.equal(await read(store, 'n'), '0');
      assert.equal(await store.get('u', 'b'), undefined);
      execFileSync('rm', [`${mountPoint}/ballast`]);
      await store.check();
      assert.equal(await store.commit('u', [set('b', Buffer.alloc(100_000))]), 'committed');
      assert.equal((await store.get('u', 'b'))?.length, 100_000);
      await store.close();
      const again = await openSqliteStore(path);
      assert.equal(await read(again, 'n'), '0');
      await again.close();
    },
  );
});
