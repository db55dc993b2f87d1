import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Transaction } from '../../src/events/event-schema.ts';
import { OldSpool } from '../../src/events/old-spool.ts';
import type { NewJournalEntry } from '../../src/stores/event-journal.ts';
import { makeTempDir } from '../stores/make-temp-dir.ts';
import { recordLog, type RecordedLog } from '../support/record-log.ts';
import { eventually } from '../support/start-stage.ts';

const NOW = 1_800_000_000_000;
const transaction = (user: string, uid: number): Transaction => ({
  user,
  events: [{ event: 'MessageNew', mailbox: 'INBOX', uid, uidvalidity: 1 }],
});

describe('a spool directory of before', () => {
  let directory: ReturnType<typeof makeTempDir>;
  let dir: string;
  let spool: OldSpool;
  let taken: NewJournalEntry[];
  let results: string[];
  let recorded: RecordedLog;
  let journalFails: boolean;

  const write = (name: string | Buffer, user = 'alice', uid = 1): void => {
    const path = Buffer.concat([Buffer.from(`${dir}/`), Buffer.from(name as string)]);
    writeFileSync(path, JSON.stringify(transaction(user, uid)));
  };
  const names = (): string[] =>
    taken.map(({ user, transaction: text }) => {
      const [event] = (JSON.parse(text) as Transaction).events;
      return `${user}:${event !== undefined && 'uid' in event ? event.uid : ''}`;
    });
  const left = (): string[] => readdirSync(dir).sort();
  const rejected = (): string[] => readdirSync(join(dir, 'rejected'));

  beforeEach(() => {
    directory = makeTempDir();
    dir = join(directory.path, 'spool');
    mkdirSync(dir);
    [taken, results, recorded, journalFails] = [[], [], recordLog(), false];
    spool = new OldSpool({
      ...{ dir, pollInterval: 60_000, log: recorded.log },
      journal: {
        takeIn: ({ entries }) => {
          if (journalFails) return Promise.reject(new Error('disk full'));
          taken.push(...entries);
          return Promise.resolve(0);
        },
      },
      worker: { begin: () => undefined, makeRoom: () => Promise.resolve(true) },
      clock: { now: () => NOW, monotonic: () => 0 },
      onFile: (result) => results.push(result),
    });
  });
  afterEach(async () => {
    await spool.stop();
    directory.remove();
  });

  it('is emptied into the journal after an upgrade, in order, with the times of its files', async () => {
    for (let uid = 1; uid <= 600; uid++)
      write(`${String(uid).padStart(20, '0')}-x.json`, 'alice', uid);
    utimesSync(join(dir, `${'1'.padStart(20, '0')}-x.json`), 1_600_000_000, 1_600_000_000);
    await spool.takeIn();
    assert.deepEqual(
      names(),
      Array.from({ length: 600 }, (_, index) => `alice:${index + 1}`),
    );
    assert.equal(taken[0]?.receivedAt, 1_600_000_000_000);
    assert.deepEqual(left(), []);
    assert.deepEqual(new Set(results), new Set(['taken']));
  });

  it('need not be there', async () => {
    rmSync(dir, { recursive: true });
    spool.start();
    await spool.takeIn();
    assert.deepEqual(recorded.lines, []);
  });

  it('loses its marks, which would hide users from a script of before, and what else is left', async () => {
    mkdirSync(join(dir, '.users'));
    writeFileSync(join(dir, '.users', 'marks'), '');
    for (const name of ['.tmp-1', '.hold-1000']) {
      writeFileSync(join(dir, name), '');
      utimesSync(join(dir, name), 1, 1);
    }
    spool.start();
    await eventually(() => assert.deepEqual(left(), []));
  });

  it('keeps its files until they are in the journal', async () => {
    write('00000000000000000001-a.json');
    journalFails = true;
    await spool.takeIn();
    assert.equal(left().length, 1);
    journalFails = false;
    await spool.takeIn();
    assert.deepEqual(names(), ['alice:1']);
    assert.deepEqual(left(), []);
  });

  it('has what makes no sense set aside, a hundred of them at most', async () => {
    for (let file = 0; file < 130; file++)
      writeFileSync(join(dir, `${String(file).padStart(20, '0')}-a.json`), '{"user":');
    write('9-b.json');
    await spool.takeIn();
    assert.deepEqual(names(), ['alice:1']);
    assert.equal(rejected().length, 100);
    assert.ok(rejected().every((name) => Number(name.slice(0, 20)) >= 30));
  });

  it('is read though names are outside UTF-8, and files are sparse', async () => {
    write(Buffer.concat([Buffer.from('1-'), Buffer.from([0xff, 0xfe]), Buffer.from('.json')]));
    for (let file = 0; file < 64; file++) {
      writeFileSync(join(dir, `2-${file}.json`), '');
      truncateSync(join(dir, `2-${file}.json`), 63 * 1_048_576);
    }
    write('3.json', 'bob');
    const before = process.memoryUsage().rss;
    await spool.takeIn();
    assert.deepEqual(names(), ['alice:1', 'bob:1']);
    assert.ok(process.memoryUsage().rss - before < 100 * 1_048_576);
    assert.deepEqual(left(), ['rejected']);
  });

  it('is held up by no pipe, and follows no link', { timeout: 60_000 }, async () => {
    const pipes = [1, 2, 3, 4, 5].map((n) => join(dir, `0000000000000000${n}-pipe.json`));
    execFileSync('mkfifo', pipes);
    writeFileSync(join(dir, 'secret'), JSON.stringify(transaction('mallory', 1)));
    symlinkSync(join(dir, 'secret'), join(dir, '00000000000000006-link.json'));
    mkdirSync(join(dir, '00000000000000007-dir.json'));
    write('9.json');
    await spool.takeIn();
    assert.deepEqual(names(), ['alice:1']);
    assert.equal(rejected().length, 7);
    assert.equal(await spool.forget('alice'), 0, 'nor do they hold it up when set aside');
  });

  it('puts nothing where a link of somebody else leads, and says once what stays', async () => {
    const elsewhere = join(directory.path, 'elsewhere');
    mkdirSync(elsewhere);
    symlinkSync(elsewhere, join(dir, 'rejected'));
    for (let file = 0; file < 50; file++) writeFileSync(join(dir, `${file}.json`), '{"user":');
    write('9.json');
    for (let round = 0; round < 3; round++) await spool.takeIn();
    assert.deepEqual(readdirSync(elsewhere), []);
    assert.deepEqual(names(), ['alice:1']);
    const said = recorded.lines.filter(({ level }) => level === 'error');
    assert.deepEqual(
      said.map(({ files }) => files),
      [49],
    );
  });

  it('leaves files alone that are still being written', async () => {
    writeFileSync(join(dir, '.tmp-1'), '{"us');
    await spool.takeIn();
    assert.ok(existsSync(join(dir, '.tmp-1')));
  });

  it('has a user’s files removed that were set aside', async () => {
    mkdirSync(join(dir, 'rejected'));
    const aside = { user: 'alice', events: 7 };
    writeFileSync(join(dir, 'rejected', 'a.json'), JSON.stringify(aside));
    writeFileSync(join(dir, 'rejected', 'b.json'), 'not JSON, of alice');
    assert.equal(await spool.forget('alice'), 1);
    assert.deepEqual(rejected(), ['b.json']);
  });
});
