import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import type { Worker } from 'node:worker_threads';
import type { CommitResult } from '../../../src/stores/store.ts';
import type { EntriesJob } from '../../../src/stores/sqlite/entries.ts';
import { GroupWriter } from '../../../src/stores/sqlite/group-writer.ts';
import { ownFile } from '../../../src/stores/sqlite/own-file.ts';
import { makeTempDir } from '../make-temp-dir.ts';

type Writer = GroupWriter<EntriesJob, CommitResult>;

const directory = makeTempDir();
after(directory.remove);
let serial = 0;

/** A writer whose messages to its thread are looked at: how many jobs went in each. */
async function open(): Promise<{ writer: Writer; groups: number[] }> {
  const groups: number[] = [];
  const spy = (worker: Worker): void => {
    const post = worker.postMessage.bind(worker);
    worker.postMessage = (message: 'close' | { jobs: unknown[] }) => {
      if (message !== 'close') groups.push(message.jobs.length);
      post(message);
    };
  };
  process.once('worker', spy);
  const { path, inode } = ownFile(`${directory.path}/${++serial}.db`);
  const { writer } = await GroupWriter.open<EntriesJob, CommitResult>({
    purpose: 'entries',
    path,
    inode,
    busyTimeoutMsecs: 50,
    emptyLogMsecs: 60_000,
    options: undefined,
  });
  return { writer, groups };
}

const job = (key: string): EntriesJob => ({
  op: 'commit',
  user: 'u',
  changes: [{ op: 'set', key, value: Buffer.from('v') }],
});

describe('GroupWriter', () => {
  let writer: Writer;
  let groups: number[];
  before(async () => {
    ({ writer, groups } = await open());
  });
  after(() => writer.close());

  it('sends what comes in one turn of the event loop as one group', async () => {
    groups.length = 0;
    await Promise.all([1, 2, 3].map((n) => writer.run(job(`${n}`))));
    assert.deepEqual(groups, [3]);
  });

  it('gathers the next group while one is in flight', async () => {
    groups.length = 0;
    const first = writer.run(job('a'));
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    assert.deepEqual(groups, [1]);
    const others = [writer.run(job('b')), writer.run(job('c'))];
    await first;
    const more = writer.run(job('d'));
    await Promise.all([...others, more]);
    assert.deepEqual(groups, [1, 3]);
  });

  it('sends a second group ahead when many are waiting', async () => {
    groups.length = 0;
    const first = writer.run(job('a'));
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    const others = Array.from({ length: 64 }, (_, n) => writer.run(job(`${n}`)));
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    assert.deepEqual(groups, [1, 64]);
    await Promise.all([first, ...others]);
  });

  it('keeps groups below 8 MiB, a lone job excepted', async () => {
    groups.length = 0;
    const mebibyte = 1_048_576;
    const sizes = [1, 3, 3, 3, 20, 1, 1];
    await Promise.all(sizes.map((size, n) => writer.run(job(`${n}`), { octets: size * mebibyte })));
    assert.deepEqual(groups, [3, 1, 1, 2]);
  });

  it('sends at once what asks for it, even ahead of answers, but never ahead of others', async () => {
    groups.length = 0;
    const ahead = Array.from({ length: 6 }, (_, n) => writer.run(job(`${n}`), { atOnce: true }));
    assert.deepEqual(
      groups,
      [1, 1, 1, 1],
      'before anything else happens; then the thread has enough',
    );
    await Promise.all(ahead);
    assert.deepEqual(groups, [1, 1, 1, 1, 2]);

    groups.length = 0;
    const first = writer.run(job('a'));
    const second = writer.run(job('b'), { atOnce: true });
    assert.deepEqual(groups, [], 'they go in their order');
    await Promise.all([first, second]);
    assert.deepEqual(groups, [2]);

    groups.length = 0;
    const inFlight = writer.run(job('a'));
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    const behind = writer.run(job('b'), { atOnce: true });
    assert.deepEqual(groups, [1, 1], 'without waiting for the answer about others');
    await Promise.all([inFlight, behind]);
  });

  it('rejects a job that cannot be copied to the thread, and its group, and goes on', async () => {
    const bad: EntriesJob = Object.assign(job('bad'), { extra: () => undefined });
    const results = await Promise.allSettled([writer.run(bad), writer.run(job('a'))]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    assert.equal(await writer.run(job('a')), 'committed');
  });

  it('rejects a job that makes no sense as a fault, and goes on', async () => {
    const bad = { op: 'commit', user: 'u' } as EntriesJob;
    await assert.rejects(writer.run(bad), { name: 'Error', message: /not iterable|undefined/ });
    assert.equal(await writer.run(job('a')), 'committed');
  });

  it('carries out everything before it closes', async () => {
    const { writer: closing, groups: sent } = await open();
    const jobs = [
      closing.run(job('a')),
      closing.run(job('b'), { atOnce: true }),
      closing.run(job('c'), { atOnce: true }),
    ];
    await closing.close();
    assert.deepEqual(await Promise.all(jobs), ['committed', 'committed', 'committed']);
    assert.deepEqual(sent, [3]);
    await assert.rejects(closing.run(job('d')), { name: 'UnavailableError', message: /closed/ });
  });

  it('keeps the process alive while it works, and no longer', () => {
    const script = `
      const { openSqliteStore } = await import(${JSON.stringify(
        new URL('../../../src/stores/sqlite/sqlite-store.ts', import.meta.url).href,
      )});
      const store = await openSqliteStore(${JSON.stringify(`${directory.path}/unclosed.db`)});
      const set = (key) => [{ op: 'set', key, value: Buffer.from('v') }];
      await store.commit('u', set('a'));
      store.commit('u', set('b')).then(() => console.log('committed'));`;
    const options = { encoding: 'utf8', timeout: 20_000 } as const;
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], options);
    assert.equal(output, 'committed\n');
  });

  it('closes while a group is in flight and nothing waits', async () => {
    const { writer: closing } = await open();
    const last = closing.run(job('a'));
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    await closing.close();
    assert.equal(await last, 'committed');
  });
});
