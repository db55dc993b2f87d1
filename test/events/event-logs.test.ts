import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { link } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { EventDirectory } from '../../src/events/event-directory.ts';
import { EventLogs } from '../../src/events/event-logs.ts';
import { readLines } from '../../src/events/read-lines.ts';
import { LogPositions } from '../../src/events/log-positions.ts';
import type { LogPart } from '../../src/stores/event-journal.ts';
import { openSqliteOutboxStore } from '../../src/stores/sqlite/sqlite-outbox-store.ts';
import { makeTempDir } from '../stores/make-temp-dir.ts';
import { recordLog, type RecordedLog } from '../support/record-log.ts';
import { mountSmallDisk, noSmallDisks } from '../support/small-disk.ts';
import { eventually } from '../support/start-stage.ts';

const OWN = process.geteuid?.() ?? 0;
const MAIL_USER = 4_001;
const MIB = 1_048_576;
const DAY = 86_400_000;

const line = (user: string, uid: number, at?: number): string =>
  JSON.stringify({
    ...{ user, uid: OWN },
    events: [{ event: 'MessageNew', mailbox: 'INBOX', uid, uidvalidity: 1 }],
    ...(at !== undefined && { at }),
  });
/** As the script writes it. */
const written = (...args: Parameters<typeof line>): string => `\n${line(...args)}\n`;

describe('the event logs', () => {
  let directory: ReturnType<typeof makeTempDir>;
  let dir: string;
  let outbox: Awaited<ReturnType<typeof openSqliteOutboxStore>>;
  let logs: EventLogs;
  let events: EventDirectory;
  let results: Map<string, number>;
  let recorded: RecordedLog;
  let now: number;
  let room: boolean;
  let systemUsers: () => Promise<number[]> = () => Promise.resolve([]);
  let belongs: (user: string, uid: number) => boolean = () => true;
  let beforeKeep: (part: LogPart) => Promise<void>;
  const log = (uid = OWN): string => join(dir, String(uid), 'log');

  async function start({ setfacl = 'setfacl', pollInterval = 60_000 } = {}): Promise<void> {
    outbox = await openSqliteOutboxStore(`${directory.path}/outbox.db`, { rememberMsecs: 1_000 });
    const { journal } = outbox;
    const positions = new LogPositions(journal);
    await positions.load();
    events = new EventDirectory({
      ...{ dir, log: recorded.log, setfacl },
      onNewLog: (inode) => positions.begin(inode),
    });
    logs = new EventLogs({
      ...{ directory: events, positions, pollInterval, log: recorded.log },
      journal: {
        takeIn: async (part) => {
          await beforeKeep(part);
          return journal.takeIn(part);
        },
      },
      worker: { begin: () => undefined, makeRoom: () => Promise.resolve(room) },
      systemUsers: () => systemUsers(),
      owners: {
        foreign: (uid, users) =>
          Promise.resolve(new Set([...users].filter((user) => !belongs(user, uid)))),
      },
      clock: { now: () => now, monotonic: () => now },
      onLines: (result, count) => results.set(result, (results.get(result) ?? 0) + count),
    });
    await events.prepare();
  }

  async function stop(): Promise<void> {
    await logs.stop();
    await outbox.close();
  }

  async function restart(): Promise<void> {
    await stop();
    await start();
  }

  /** `alice:7` for each transaction in the journal, in order. */
  async function kept(...users: string[]): Promise<string[]> {
    await logs.takeIn();
    const names: string[] = [];
    for (const user of users.length > 0 ? users : ['alice']) {
      let page = (await outbox.journal.pageOf(user, 0, 10_000)).entries;
      while (page.length > 0) {
        names.push(...page.map(({ transaction }) => `${user}:${firstUid(transaction)}`));
        page = (await outbox.journal.pageOf(user, page.at(-1)!.id, 10_000)).entries;
      }
    }
    return names;
  }
  const firstUid = (transaction: string): number =>
    (JSON.parse(transaction) as { events: [{ uid: number }] }).events[0].uid;

  beforeEach(async () => {
    directory = makeTempDir();
    chmodSync(directory.path, 0o755);
    dir = join(directory.path, 'events');
    results = new Map();
    recorded = recordLog();
    now = Date.now();
    room = true;
    beforeKeep = () => Promise.resolve();
    belongs = () => true;
    systemUsers = () => Promise.resolve([]);
    await start();
    assert.ok(await events.ensure(OWN));
  });
  afterEach(async () => {
    await stop();
    directory.remove();
  });

  it('go into the journal, in order, with the time at which they were written', async () => {
    appendFileSync(log(), written('alice', 1, now / 1_000 - 60) + written('alice', 2));
    appendFileSync(log(), written('alice', 3, 99_999_999_999));
    assert.deepEqual(await kept(), ['alice:1', 'alice:2', 'alice:3']);
    const times = (await outbox.journal.pageOf('alice', 0, 9)).entries.map(
      ({ receivedAt }) => receivedAt,
    );
    assert.deepEqual(times, [now - 60_000, now, now], 'nothing was written in the future');
    assert.equal(logs.unread(), 0);
  });

  it('are noticed by themselves', async () => {
    logs.start();
    await logs.takeIn();
    appendFileSync(log(), written('alice', 1));
    const deadline = Date.now() + 5_000;
    while (outbox.journal.waiting() === 0 && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(outbox.journal.waiting(), 1);
  });

  it('are read once, over restarts as well', async () => {
    appendFileSync(log(), written('alice', 1));
    assert.deepEqual(await kept(), ['alice:1']);
    await restart();
    appendFileSync(log(), written('alice', 2));
    assert.deepEqual(await kept(), ['alice:1', 'alice:2']);
  });

  it('may have torn lines: a write that broke off costs one transaction', async () => {
    appendFileSync(log(), written('alice', 1) + written('alice', 2).slice(0, 20));
    assert.deepEqual(await kept(), ['alice:1']);
    assert.equal(logs.unread(), 0, 'nobody knows yet whether it goes on');
    appendFileSync(log(), written('alice', 3));
    assert.deepEqual(await kept(), ['alice:1', 'alice:3']);
    assert.equal(results.get('damaged'), 1);
  });

  it('may tell of nobody but those who belong to their system user', async () => {
    belongs = (user, uid) => uid === OWN && user === 'alice';
    appendFileSync(log(), written('alice', 1) + written('bob', 2) + written('alice', 3));
    assert.deepEqual(await kept('alice', 'bob'), ['alice:1', 'alice:3']);
    assert.equal(results.get('foreign'), 1);
    assert.equal(results.get('taken'), 2);
    const db = new DatabaseSync(`${directory.path}/outbox.db`, { readOnly: true });
    const aside = db.prepare('SELECT user, reason FROM set_aside').all();
    db.close();
    assert.equal(aside.length, 1);
    const { user, reason } = aside[0]!;
    assert.equal(user, 'bob');
    assert.match(String(reason), /does not belong to the system user/);
  });

  it('wait for the end of a line that is still being written', async () => {
    const [first, second] = [written('alice', 1).slice(0, 30), written('alice', 1).slice(30)];
    appendFileSync(log(), first);
    assert.deepEqual(await kept(), []);
    appendFileSync(log(), second);
    assert.deepEqual(await kept(), ['alice:1']);
    assert.equal(results.get('damaged'), 0);
  });

  it('may have octets outside UTF-8, and lines that are nothing at all', async () => {
    const subject = Buffer.concat([
      Buffer.from(`\n{"user":"alice","events":[{"event":"MessageNew","mailbox":"IN`),
      Buffer.from([0xff, 0xfe, 0xc3]),
      Buffer.from(`BOX","uid":1,"uidvalidity":1}]}\n`),
    ]);
    for (const garbage of ['[]', '7', 'null', '{"user":"alice"}', '{"user":7,"events":[]}', '\0\0'])
      appendFileSync(log(), `${garbage}\n`);
    appendFileSync(log(), Buffer.from([0x80, 10, 10, 10]));
    appendFileSync(log(), subject);
    assert.deepEqual(await kept(), ['alice:1']);
    assert.equal(results.get('damaged'), 7);
    await logs.stop();
    const said = recorded.lines.filter(({ level }) => level === 'error');
    assert.equal(said.length, 1, 'said once, with a count');
    assert.equal(await outbox.journal.forgetEvents('alice'), 2, 'one is set aside under her name');
  });

  it('keep the newest hundred damaged lines to look at, and count the rest', async () => {
    appendFileSync(log(), '{"user":"alice"}\n'.repeat(5_000) + written('alice', 1));
    assert.deepEqual(await kept(), ['alice:1']);
    assert.equal(results.get('damaged'), 5_000);
    assert.equal(await outbox.journal.forgetEvents('alice'), 101);
  });

  it('full of damaged lines are read a part at a time, in time to their octets', async () => {
    const damaged = Buffer.from(`{"user":"alice","events":[${' '.repeat(60)}]}\n`.repeat(3_000));
    const first = readLines(damaged, now);
    assert.equal(first.damagedCount, 1_000, 'each costs a search for what is wrong');
    const second = readLines(damaged.subarray(first.octets), now);
    assert.equal(first.octets + second.octets, (damaged.length / 3_000) * 2_000);
    // 131,072 lines in a part took five seconds of the event loop.
    const tiny = readLines(Buffer.from('1\n'.repeat(131_072)), now);
    assert.equal(tiny.damagedCount, 131_072);
    assert.match(tiny.damaged[0]!.reason, /too short/);

    appendFileSync(log(), Buffer.concat([damaged, Buffer.from(written('alice', 1))]));
    assert.deepEqual(await kept(), ['alice:1']);
    assert.equal(results.get('damaged'), 3_000);
  });

  it('may have lines longer than a part, and skip those that are too long for memory', async () => {
    const long = (octets: number, uid: number): string =>
      `${line('alice', uid).slice(0, -1)},"x":"${'y'.repeat(octets)}"}\n`;
    appendFileSync(log(), long(3 * MIB, 1));
    appendFileSync(log(), long(5 * MIB, 2));
    appendFileSync(log(), long(4 * MIB, 3) + written('alice', 4));
    assert.deepEqual(await kept(), ['alice:1', 'alice:4']);
    assert.equal(results.get('oversized'), 2);
    assert.equal(results.get('damaged'), 0);
  });

  it(
    'may be sparse: holes of a GiB cost neither memory nor long',
    { timeout: 120_000 },
    async () => {
      const file = openSync(log(), 'a');
      ftruncateSync(file, 1_000 * MIB);
      writeSync(file, written('alice', 1));
      closeSync(file);
      const before = process.memoryUsage().rss;
      assert.deepEqual(await kept(), ['alice:1']);
      assert.equal(results.get('oversized'), 1);
      assert.ok(process.memoryUsage().rss - before < 200 * MIB);
    },
  );

  it('end at a GiB: what is longer is put out of the way', { timeout: 120_000 }, async () => {
    appendFileSync(log(), written('alice', 1));
    truncateSync(log(), 64 * 1_024 * MIB);
    appendFileSync(log(), written('alice', 2));
    await logs.takeIn();
    appendFileSync(log(), written('alice', 3));
    assert.deepEqual(await kept(), ['alice:1', 'alice:3']);
    assert.ok(statSync(log()).size < MIB);
  });

  it(
    'give back what a mail process wrote to a log or to `hold` and nobody reads',
    { timeout: 120_000 },
    async () => {
      const home = join(dir, String(OWN));
      const late = openSync(log(), 'a');
      truncateSync(log(), 64 * 1_024 * MIB);
      truncateSync(join(home, 'hold'), MIB);
      await logs.takeIn();
      await logs.takeIn();
      assert.deepEqual(readdirSync(home).sort(), ['hold', 'log']);
      assert.equal(statSync(join(home, 'hold')).size, 0);
      assert.equal(fstatSync(late).size, 0, 'though a process has it open');
      closeSync(late);
      writeFileSync(join(home, 'hold'), '1796032425');
      await logs.takeIn();
      assert.equal(statSync(join(home, 'hold')).size, 10);
    },
  );

  it('take what two writers write at the same time', { timeout: 120_000 }, async () => {
    const script = `
      const fs = require('fs'), [,path, user] = process.argv;
      const file = fs.openSync(path, 'a');
      for (let uid = 1; uid <= 2000; uid++) fs.writeSync(file, '\\n' + JSON.stringify({ user,
        events: [{ event: 'MessageNew', mailbox: 'x'.repeat(uid), uid, uidvalidity: 1 }] }) + '\\n');`;
    logs.start();
    const users = ['alice', 'bob'];
    await Promise.all(
      users.map((user) => promisify(execFile)(process.execPath, ['-e', script, log(), user])),
    );
    const all = users.flatMap((user) =>
      Array.from({ length: 2_000 }, (_, at) => `${user}:${at + 1}`),
    );
    assert.deepEqual(await kept(...users), all);
    assert.equal(results.get('damaged'), 0);
  });

  it('wait for a reader that is away for a day', async () => {
    await stop();
    const at = now / 1_000;
    appendFileSync(log(), written('alice', 1, at));
    now += DAY;
    appendFileSync(log(), written('alice', 2, at + 86_400));
    await start();
    assert.deepEqual(await kept(), ['alice:1', 'alice:2']);
    const times = (await outbox.journal.pageOf('alice', 0, 9)).entries.map(
      ({ receivedAt }) => receivedAt,
    );
    assert.deepEqual(times, [now - DAY, now]);
  });

  it('may grow while they are read', async () => {
    let uid = 1;
    appendFileSync(log(), written('alice', uid));
    beforeKeep = () => {
      if (uid < 20) appendFileSync(log(), written('alice', ++uid));
      return Promise.resolve();
    };
    for (let looks = 0; uid < 20 && looks < 50; looks += 1) await logs.takeIn();
    beforeKeep = () => Promise.resolve();
    assert.deepEqual(
      await kept(),
      Array.from({ length: 20 }, (_, index) => `alice:${index + 1}`),
    );
  });

  it('begin anew when they were truncated', async () => {
    appendFileSync(log(), written('alice', 1) + written('alice', 2));
    await logs.takeIn();
    truncateSync(log(), 0);
    appendFileSync(log(), written('alice', 3));
    assert.deepEqual(await kept(), ['alice:1', 'alice:2', 'alice:3']);
    await logs.stop();
    assert.match(JSON.stringify(recorded.lines), /shorter than what was read of it/);
  });

  it('are rotated, and one that a writer has open is read on', async () => {
    const late = openSync(log(), 'a');
    appendFileSync(log(), written('alice', 1));
    await logs.takeIn();
    logs.renew();
    await logs.takeIn();
    assert.deepEqual(readdirSync(join(dir, String(OWN))).sort(), ['hold', 'log', 'log.1']);
    assert.equal(statSync(log()).size, 0);
    writeSync(late, written('alice', 2));
    appendFileSync(log(), written('alice', 3));
    assert.deepEqual(await kept(), ['alice:1', 'alice:2', 'alice:3']);
    await restart();
    writeSync(late, written('alice', 4));
    closeSync(late);
    assert.deepEqual(await kept(), ['alice:1', 'alice:2', 'alice:3', 'alice:4']);
    now += 700_000;
    await logs.takeIn();
    assert.deepEqual(readdirSync(join(dir, String(OWN))).sort(), ['hold', 'log']);
    assert.equal((await outbox.journal.positions()).size, 1);
  });

  it('are rotated by themselves when they are long, or old', async () => {
    const many = written('alice', 1).repeat(100);
    appendFileSync(log(), many);
    await logs.takeIn();
    assert.ok(!existsSync(`${log()}.1`));
    now += 2 * 3_600_000;
    await logs.takeIn();
    assert.ok(existsSync(`${log()}.1`));
    appendFileSync(log(), `${' '.repeat(MIB)}\n`.repeat(17));
    await logs.takeIn();
    await logs.takeIn();
    assert.equal(statSync(log()).size, 0);
  });

  it('survive an end between the two steps of a rotation', async () => {
    appendFileSync(log(), written('alice', 1));
    await logs.takeIn();
    execFileSync('ln', [log(), `${log()}.1`]);
    writeFileSync(join(dir, String(OWN), '.new-0123'), '');
    await restart();
    appendFileSync(log(), written('alice', 2));
    assert.deepEqual(await kept(), ['alice:1', 'alice:2']);
    assert.deepEqual(readdirSync(join(dir, String(OWN))).sort(), ['hold', 'log']);
  });

  it('are read again where the commit fails: position and effects are one', async () => {
    appendFileSync(log(), written('alice', 1));
    beforeKeep = () => Promise.reject(new Error('the disk is full'));
    assert.deepEqual(await kept(), []);
    assert.ok(logs.unread() > 0);
    beforeKeep = () => Promise.resolve();
    assert.deepEqual(await kept(), ['alice:1']);
    await logs.stop();
    assert.match(JSON.stringify(recorded.lines), /the disk is full/);
  });

  it(
    'lose nothing and repeat nothing when the reader is killed at any moment',
    { timeout: 120_000 },
    async () => {
      await stop();
      const reader = new URL('./read-event-logs.ts', import.meta.url).pathname;
      const count = 3_000;
      const run = async (msecs: number): Promise<void> => {
        const child = spawn(process.execPath, [reader, directory.path], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        await once(child.stdout, 'data');
        await new Promise((resolve) => setTimeout(resolve, msecs));
        child.kill('SIGKILL');
        await once(child, 'exit');
      };
      for (let kill = 0, uid = 0; kill < 6; kill += 1) {
        let text = '';
        for (const end = uid + count / 6; uid < end;) text += written('alice', ++uid);
        appendFileSync(log(), text);
        await run(kill * 4);
      }
      await start();
      const all = Array.from({ length: count }, (_, index) => `alice:${index + 1}`);
      assert.deepEqual(await kept(), all);
    },
  );

  it('stay where they are while the journal has no room', async () => {
    room = false;
    appendFileSync(log(), written('alice', 1));
    assert.deepEqual(await kept(), []);
    room = true;
    assert.deepEqual(await kept(), ['alice:1']);
  });

  it('are read in turns, so that one that is long does not hold up the others', async () => {
    if (OWN !== 0) return;
    await events.ensure(MAIL_USER);
    appendFileSync(log(), written('alice', 1).repeat(40_000));
    appendFileSync(log(MAIL_USER), written('bob', 1));
    const parts: string[] = [];
    beforeKeep = ({ entries }) => {
      parts.push(...new Set(entries.map(({ user }) => user)));
      return Promise.resolve();
    };
    await logs.takeIn();
    assert.ok(parts.indexOf('bob') < 3, parts.join());
    assert.ok(parts.length > 5);
  });

  const skip = OWN !== 0 && 'only root can act as several system users';
  describe('of another system user', { skip }, () => {
    const asMailUser = (script: string): string =>
      execFileSync('setpriv', [`--reuid=${MAIL_USER}`, '--clear-groups', 'sh', '-c', script], {
        cwd: '/',
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });

    /** setfacl(1), which fails while the file `fault` is there. */
    function fallibleSetfacl(): { setfacl: string; fault: string } {
      const setfacl = join(directory.path, 'setfacl');
      const fault = join(directory.path, 'fault');
      const script = `#!/bin/sh\n[ ! -e ${fault} ] || exit 1\nexec setfacl "$@"\n`;
      writeFileSync(setfacl, script, { mode: 0o755 });
      return { setfacl, fault };
    }

    beforeEach(async () => {
      await events.ensure(MAIL_USER);
    });

    it('take what that user appends, and nothing else can be done there', async () => {
      asMailUser(`printf '%s' '${written('alice', 1)}' >> ${log(MAIL_USER)}`);
      assert.deepEqual(await kept(), ['alice:1']);
      const home = join(dir, String(MAIL_USER));
      for (const attempt of [
        `mkfifo ${home}/fifo`,
        `ln -s /etc/passwd ${home}/link`,
        `rm -f ${home}/log`,
        `mv ${home}/log ${home}/other`,
        `ls ${home}`,
        `chmod 777 ${home}/log`,
        `cat ${log()}`,
        `touch ${dir}/marks`,
        `mkdir ${dir}/4002`,
      ])
        assert.throws(() => asMailUser(attempt), attempt);
      assert.deepEqual(readdirSync(home).sort(), ['hold', 'log']);
    });

    it('are still theirs after a rotation', async () => {
      asMailUser(`printf '%s' '${written('alice', 1)}' >> ${log(MAIL_USER)}`);
      await logs.takeIn();
      logs.renew();
      await logs.takeIn();
      asMailUser(`printf '%s' '${written('alice', 2)}' >> ${log(MAIL_USER)}`);
      assert.deepEqual(await kept(), ['alice:1', 'alice:2']);
    });

    it('are not rotated while access cannot be given: better a long log than one that nobody can write to', async () => {
      const { setfacl, fault } = fallibleSetfacl();
      const other = new EventDirectory({
        ...{ dir, log: recorded.log, setfacl },
        onNewLog: () => Promise.resolve(),
      });
      await other.ensure(MAIL_USER);
      const rotate = (): Promise<void> => other.renew(MAIL_USER, (path) => link(path, `${path}.1`));
      writeFileSync(fault, '');
      for (let again = 0; again < 3; again++) await assert.rejects(rotate(), /setfacl says/);
      asMailUser(`printf '%s' '${written('alice', 1)}' >> ${log(MAIL_USER)}`);
      assert.deepEqual(readdirSync(join(dir, String(MAIL_USER))).sort(), ['hold', 'log']);
      rmSync(fault);
      await rotate();
      asMailUser(`printf '%s' '${written('alice', 2)}' >> ${log(MAIL_USER)}`);
    });

    it('are given to their user as soon as that can be done, whether or not anybody asks', async () => {
      await stop();
      rmSync(dir, { recursive: true });
      const { setfacl, fault } = fallibleSetfacl();
      writeFileSync(fault, '');
      await start({ setfacl, pollInterval: 20 });
      logs.start();
      for (const uid of [MAIL_USER, MAIL_USER + 1]) logs.note(uid);
      await eventually(() => assert(existsSync(log(MAIL_USER + 1))));
      assert.throws(() => asMailUser(`echo >> ${log(MAIL_USER)}`));
      assert.equal(recorded.said('error').length, 1);
      rmSync(fault);
      await eventually(() => asMailUser(`echo >> ${log(MAIL_USER)}`));
      await eventually(() => events.check());
    });

    it('are made as soon as Dovecot, which starts later, says whose they will be', async () => {
      await stop();
      rmSync(dir, { recursive: true });
      let asked = 0;
      systemUsers = () => Promise.resolve(++asked < 3 ? [] : [MAIL_USER]);
      await start({ pollInterval: 20 });
      logs.start();
      await eventually(() => asMailUser(`echo >> ${log(MAIL_USER)}`));
    });

    it('set aside what this service did not make: pipes, links, directories of others', async () => {
      await stop();
      const home = join(dir, String(MAIL_USER));
      rmSync(log(MAIL_USER));
      execFileSync('mkfifo', ['-m', '666', log(MAIL_USER)]);
      rmSync(join(home, 'hold'));
      symlinkSync('/etc/passwd', join(home, 'hold'));
      mkdirSync(join(dir, '4003'));
      chownSync(join(dir, '4003'), 4_003, 4_003);
      mkdirSync(join(dir, '4004'));
      writeFileSync(join(dir, '4004', 'log'), written('mallory', 1));
      chmodSync(join(dir, '4004', 'log'), 0o666);
      await start();
      await logs.takeIn();
      for (const name of ['log', 'hold']) assert.ok(lstatSync(join(home, name)).isFile(), name);
      asMailUser(`printf '%s' '${written('alice', 1)}' >> ${log(MAIL_USER)}`);
      assert.deepEqual(await kept('alice', 'mallory'), ['alice:1']);
      assert.equal(statSync(join(dir, '4003')).uid, OWN);
    });

    it('keep what waits, made by a service that ran as that user, once it was given to this one', async () => {
      await stop();
      const home = join(dir, String(MAIL_USER));
      rmSync(home, { recursive: true });
      // After chown -R: the log of the service's own user is now that of another, and has no ACL.
      renameSync(join(dir, String(OWN)), home);
      appendFileSync(log(MAIL_USER), written('alice', 1));
      rmSync(join(home, 'hold'));
      execFileSync('mkfifo', [join(home, 'hold')]);
      await start();
      assert.ok(await events.ensure(MAIL_USER));
      asMailUser(`printf '%s' '${written('alice', 2)}' >> ${log(MAIL_USER)}`);
      asMailUser(`printf 1 > ${home}/hold`);
      assert.deepEqual(await kept(), ['alice:1', 'alice:2']);
      assert.throws(() => asMailUser(`rm -f ${home}/hold`));
    });

    it('say what to do where access cannot be given, and go on', async () => {
      const other = new EventDirectory({
        ...{ dir: join(directory.path, 'no-acl'), log: recorded.log, setfacl: '/nowhere/setfacl' },
        onNewLog: () => Promise.resolve(),
      });
      await other.prepare();
      assert.ok(await other.ensure(MAIL_USER));
      await assert.rejects(other.check(), /install the package acl/);
      assert.equal(recorded.said('error').length, 1);
    });
  });

  it('make no directory for root unless they are root’s, and close one that is open', async () => {
    chmodSync(dir, 0o1733);
    await events.check();
    assert.equal(statSync(dir).mode & 0o7777, 0o710);
    if (OWN !== 0) assert.equal(await events.ensure(0), false);
    rmSync(dir, { recursive: true });
    await events.check();
    assert.ok(await events.mend(OWN));
    appendFileSync(log(), written('alice', 1));
    assert.deepEqual(await kept(), ['alice:1']);
  });

  it('say so when their directory is not this service’s', { skip }, async () => {
    chownSync(dir, MAIL_USER, MAIL_USER);
    await assert.rejects(events.check(), /belongs to the system user 4001, not to 0/);
  });

  it('go on after a full disk', { skip: noSmallDisks }, async () => {
    const disk = mountSmallDisk();
    try {
      await stop();
      dir = join(disk.dir, 'events');
      await start();
      await events.ensure(OWN);
      disk.fill();
      const file = openSync(log(), 'a');
      try {
        for (let uid = 1; uid < 1_000; uid += 1) writeSync(file, written('alice', uid));
        assert.fail('the disk is full');
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
      }
      await assert.rejects(events.check(), /takes no file/);
      disk.free();
      writeSync(file, written('alice', 1_000));
      closeSync(file);
      assert.equal((await kept()).at(-1), 'alice:1000');
      await events.check();
    } finally {
      await stop();
      disk.unmount();
      dir = join(directory.path, 'events');
      await start();
    }
  });

  it('are found in order by all who look at once, as /readyz and /metrics do', async () => {
    await Promise.all(Array.from({ length: 20 }, () => events.check()));
  });

  it(
    'lose nothing where the disk is full while they are rotated',
    { skip: noSmallDisks },
    async () => {
      const disk = mountSmallDisk('3m,nr_inodes=16');
      const isFull = (): boolean => {
        try {
          writeFileSync(join(disk.dir, 'one-more'), '');
          rmSync(join(disk.dir, 'one-more'));
          return false;
        } catch {
          return true;
        }
      };
      try {
        await stop();
        dir = join(disk.dir, 'events');
        await start();
        await events.ensure(OWN);
        appendFileSync(log(), written('alice', 1));
        await logs.takeIn();
        let more = 0;
        while (!isFull()) writeFileSync(join(disk.dir, `file${++more}`), '');
        disk.fill();
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
      }
      try {
        for (let again = 0; again < 3; again += 1) {
          logs.renew();
          await logs.takeIn();
        }
        assert.deepEqual(readdirSync(join(dir, String(OWN))).sort(), ['hold', 'log']);
        await assert.rejects(events.check(), /takes no file/);
        for (const name of readdirSync(disk.dir))
          if (name !== 'events') rmSync(join(disk.dir, name));
        appendFileSync(log(), written('alice', 3));
        logs.renew();
        assert.deepEqual(await kept(), ['alice:1', 'alice:3']);
        appendFileSync(log(), written('alice', 4));
        assert.deepEqual(await kept(), ['alice:1', 'alice:3', 'alice:4']);
        assert.ok(existsSync(`${log()}.1`));
        await events.check();
      } finally {
        await stop();
        disk.unmount();
        dir = join(directory.path, 'events');
        await start();
      }
    },
  );

  it('do not take the time of a file for that of an event', async () => {
    appendFileSync(log(), written('alice', 1, -5) + written('alice', 2, 1e300));
    utimesSync(log(), 0, 0);
    assert.deepEqual(await kept(), ['alice:1', 'alice:2']);
    const times = (await outbox.journal.pageOf('alice', 0, 9)).entries.map(
      ({ receivedAt }) => receivedAt,
    );
    assert.deepEqual(times, [0, now]);
  });
});
