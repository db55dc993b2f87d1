import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { text } from 'node:stream/consumers';
import { after, describe, it } from 'node:test';
import { InvalidInputError } from '../../../src/errors.ts';
import { openSqliteOutboxStore } from '../../../src/stores/sqlite/sqlite-outbox-store.ts';
import { openSqliteStore } from '../../../src/stores/sqlite/sqlite-store.ts';
import { makeTempDir } from '../make-temp-dir.ts';

const directory = makeTempDir();
after(directory.remove);

const inUse = { name: 'UnavailableError', message: /is in use by another coi-sidecar/ };
const STORE_MODULE = new URL('../../../src/stores/sqlite/sqlite-store.ts', import.meta.url).href;

/** Another process that has the store open, once this resolves. */
async function openElsewhere(path: string): Promise<ChildProcess> {
  const script = `
    const { openSqliteStore } = await import(${JSON.stringify(STORE_MODULE)});
    const store = await openSqliteStore(${JSON.stringify(path)});
    await store.commit('u', [{ op: 'set', key: 'by', value: Buffer.from('other') }]);
    console.log('open');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  after(() => child.kill('SIGKILL'));
  await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  return child;
}

async function kill(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
}

describe('the file of a store', () => {
  it('is made for its owner alone, and so is all that comes with it', async () => {
    const path = `${directory.path}/new.db`;
    const umask = process.umask(0);
    const store = await openSqliteStore(path);
    await store.commit('u', [{ op: 'set', key: 'a', value: Buffer.from('1') }]);
    process.umask(umask);
    for (const suffix of ['', '-wal', '-shm', '.lock'])
      assert.equal(statSync(path + suffix).mode & 0o777, 0o600, suffix);
    await store.close();
  });

  it('belongs to one sidecar at a time', async () => {
    const path = `${directory.path}/shared.db`;
    const store = await openSqliteStore(path);
    await assert.rejects(openSqliteStore(path), inUse);
    await assert.rejects(openSqliteOutboxStore(path, { rememberMsecs: 0 }), inUse);
    await assert.rejects(openSqliteStore(path), inUse);
    await store.commit('u', [{ op: 'set', key: 'a', value: Buffer.from('1') }]);
    await store.close();
    const again = await openSqliteStore(path);
    assert.equal((await again.get('u', 'a'))?.toString(), '1');
    await again.close();
  });

  it('belongs to one sidecar under whichever name', async () => {
    mkdirSync(`${directory.path}/real`);
    symlinkSync('real', `${directory.path}/linked`);
    const store = await openSqliteStore(`${directory.path}/real/a.db`);
    await assert.rejects(openSqliteStore(`${directory.path}/linked/a.db`), inUse);
    symlinkSync('real/a.db', `${directory.path}/linked.db`);
    await assert.rejects(openSqliteStore(`${directory.path}/linked.db`), inUse);
    await store.close();
  });

  it('is free again once the other process is dead, however it died', async () => {
    const path = `${directory.path}/elsewhere.db`;
    const child = await openElsewhere(path);
    await assert.rejects(openSqliteStore(path), inUse);
    await kill(child, 'SIGKILL');
    const store = await openSqliteStore(path);
    assert.equal((await store.get('u', 'by'))?.toString(), 'other');
    await store.close();
  });

  it('must have a directory; the error says how to make it', async () => {
    await assert.rejects(openSqliteStore(`${directory.path}/no/such/state.db`), {
      name: 'UnavailableError',
      message: /The directory .*\/no\/such is not there: create it .*install -d -m 0700/,
    });
  });

  it('must be named by an absolute path', async () => {
    await assert.rejects(openSqliteStore('state.db'), InvalidInputError);
  });

  it('is left alone when it is no database: the store is there, and fails', async () => {
    const path = `${directory.path}/text.db`;
    const content = 'not a database\n'.repeat(1000);
    writeFileSync(path, content);
    const told: string[] = [];
    const store = await openSqliteStore(path, { onUnopened: (_path, why) => told.push(why) });
    const refusal = { name: 'DamagedError', message: /text\.db is not an SQLite database/ };
    for (const call of [
      store.get('u', 'k'),
      store.list('u', ''),
      store.commit('u', [{ op: 'unset', key: 'k' }]),
      store.check(),
    ])
      await assert.rejects(call, refusal);
    assert.match(told.join(), /is not an SQLite database/);
    await store.close();
    assert.equal(readFileSync(path, 'utf8'), content);
  });

  it('is refused while it has a second name, which would be a second lock', async () => {
    const path = `${directory.path}/one.db`;
    const store = await openSqliteStore(path);
    linkSync(path, `${directory.path}/two.db`);
    const refusal = { name: 'UnavailableError', message: /has another name \(a hard link\)/ };
    await assert.rejects(openSqliteStore(`${directory.path}/two.db`), refusal);
    await store.close();
    await assert.rejects(openSqliteStore(path), refusal);
    rmSync(`${directory.path}/two.db`);
    await (await openSqliteStore(path)).close();
  });

  const noMount =
    process.getuid?.() !== 0 || spawnSync('unshare', ['--mount', 'true']).status !== 0
      ? 'only root can mount'
      : false;
  it('is refused where it is mounted by itself', { skip: noMount }, async () => {
    const path = `${directory.path}/bound.db`;
    const elsewhere = `${directory.path}/else where.db`;
    const store = await openSqliteStore(path);
    writeFileSync(elsewhere, '');
    execFileSync('mount', ['--bind', path, elsewhere]);
    try {
      await assert.rejects(openSqliteStore(elsewhere), { message: /is mounted by itself/ });
      mkdirSync(`${directory.path}/mounted`);
      execFileSync('mount', ['--bind', directory.path, `${directory.path}/mounted`]);
      await assert.rejects(openSqliteStore(`${directory.path}/mounted/bound.db`), inUse);
      execFileSync('umount', ['--lazy', `${directory.path}/mounted`]);
    } finally {
      execFileSync('umount', ['--lazy', elsewhere]);
    }
    await store.close();
  });

  it('opens though its lock is full of garbage', async () => {
    const path = `${directory.path}/garbage.db`;
    writeFileSync(`${path}.lock`, 'garbage '.repeat(1_000));
    writeFileSync(`${path}.lock-journal`, 'garbage '.repeat(1_000));
    const store = await openSqliteStore(path);
    await store.check();
    await assert.rejects(openSqliteStore(path), inUse);
    await store.close();
  });

  it('is refused when it belongs to the outbox', async () => {
    const path = `${directory.path}/outbox.db`;
    const outbox = await openSqliteOutboxStore(path, { rememberMsecs: 0 });
    await outbox.close();
    await assert.rejects(openSqliteStore(path), { message: /for another purpose/ });
    await (await openSqliteOutboxStore(path, { rememberMsecs: 0 })).close();
  });

  const nobody = process.getuid?.() === 0 ? 65_534 : undefined;
  const notRoot = nobody === undefined && 'only root can become another user';
  it('must be readable and writable; the error names the fault', { skip: notRoot }, async () => {
    const path = `${directory.path}/theirs.db`;
    writeFileSync(path, '', { mode: 0o600 });
    chmodSync(directory.path, 0o777);
    const script = `
      const { ownFile } = await import(${JSON.stringify(STORE_MODULE.replace('sqlite-store', 'own-file'))});
      process.setuid(${String(nobody)});
      try { ownFile(${JSON.stringify(path)}) } catch (error) { console.log(error.name, error.message) }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const output = await text(child.stdout);
    assert.match(output, /^UnavailableError .*theirs\.db cannot be read and written: EACCES/);
  });
});
