import assert from 'node:assert/strict';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeEventLog, type EventLog } from '../support/event-logs.ts';
import { mountSmallDisk, noSmallDisks, type SmallDisk } from '../support/small-disk.ts';

const SCRIPT = fileURLToPath(new URL('../../lua/coi.lua', import.meta.url));
const STUB = fileURLToPath(new URL('stub-dovecot.lua', import.meta.url));

const UID = 8; // that of the stub's mail processes
const NOW = 1_790_000_000;
/** A script that waits for ever is what these tests are about. */
const TIMEOUT_MSECS = 20_000;

const has = (program: string): boolean => spawnSync(program, ['-v']).error === undefined;
const noStrace = has('strace') ? false : 'strace is not installed';

for (const lua of ['lua5.1', 'lua5.2', 'lua5.3', 'lua5.4', 'luajit']) {
  const skip = has(lua) ? false : `${lua} is not installed`;
  describe(`the event log of lua/coi.lua under ${lua}`, { skip }, () => {
    let root: string;
    let eventsDir: string;
    let log: EventLog;
    before(() => (root = mkdtempSync(join(tmpdir(), 'coi-lua-'))));
    after(() => rmSync(root, { recursive: true }));
    beforeEach(async () => {
      eventsDir = mkdtempSync(join(root, 'events-'));
      log = await makeEventLog(eventsDir, UID);
    });

    const environment = (more: Record<string, string | number>) => ({
      ...process.env,
      ...{ COI_EVENTS_DIR: eventsDir, COI_STATUS: '503', COI_NOW: String(NOW) },
      ...Object.fromEntries(Object.entries(more).map(([name, value]) => [name, String(value)])),
    });
    const inputOf = (subjects: readonly string[]): string =>
      subjects.map((subject, i) => `${Buffer.from(subject).toString('hex')} ${i + 1} 0\n`).join('');

    /** @returns what was posted, and what Dovecot's log would say */
    function run(subjects: readonly string[], more: Record<string, string | number> = {}) {
      const ran = spawnSync(lua, [STUB, SCRIPT], {
        ...{ input: inputOf(subjects), env: environment(more), timeout: TIMEOUT_MSECS },
        maxBuffer: 256 * 1_024 * 1_024,
      });
      assert.equal(ran.status, 0, `${String(ran.error)} ${ran.stderr.toString()}`);
      const lines = (text: Buffer): string[] => text.toString().split('\n').filter(Boolean);
      const posted = lines(ran.stdout);
      return { posted, said: lines(ran.stderr) };
    }
    const subjectsOf = (found: EventLog): unknown[] =>
      found.read().flatMap(({ events }) => events.map(({ subject }) => subject));

    test('a line is what was posted and when, between line ends of its own', () => {
      const { posted, said } = run(['one', 'two']);
      const line = (i: number) => `\n${posted[i]!.slice(0, -1)},"at":${NOW}}\n`;
      assert.equal(readFileSync(log.log, 'utf8'), line(0) + line(1));
      const [first] = log.read();
      assert.deepEqual([first?.user, first?.uid, first?.at], ['alice', UID, NOW]);
      assert.match(
        said[0]!,
        /^coi: .* events of alice \(503 said so\): they wait in the event log$/,
      );
    });

    test('what the sidecar takes is not left in it', () => {
      assert.equal(run(['one'], { COI_STATUS: 204 }).posted.length, 1);
      assert.deepEqual(log.read(), []);
    });

    test('it is one write, whatever its length', { skip: noStrace }, () => {
      const trace = join(root, 'trace');
      const options = ['-qq', '-o', trace, '-s', '8', '-e', 'trace=openat,write,pwrite64,writev'];
      const lengths = [1, 3_000, 4_096, 60_000];
      spawnSync('strace', [...options, lua, STUB, SCRIPT], {
        input: inputOf(lengths.map((length) => 'x'.repeat(length))),
        env: environment({}),
      });
      const opened = readFileSync(trace, 'utf8').split(/^openat.*\/log", .*O_APPEND.* = (\d+)$/m);
      const written = opened
        .slice(1)
        .flatMap((text, i, all) =>
          i % 2 === 0
            ? []
            : text.split('\n').filter((line) => line.includes(`(${all[i - 1]!}, "\\n{`)),
        );
      assert.equal(written.length, lengths.length, readFileSync(trace, 'utf8'));
      written.forEach((line, i) => {
        const [, asked, done] = /, (\d+)\) += (\d+)$/.exec(line) ?? [];
        assert.equal(asked, done);
        assert.ok(Number(done) > lengths[i]!);
      });
      assert.equal(readFileSync(trace, 'utf8').match(/"\\n\{/g)?.length, lengths.length);
    });

    test('no line of many processes is lost, torn or mixed with another', async () => {
      const processes = 4;
      const each = 60;
      const names = (writer: number): string[] =>
        Array.from({ length: each }, (_, i) => `${writer}-${i}-${'x'.repeat((i * 977) % 20_000)}`);
      await Promise.all(
        Array.from(
          { length: processes },
          (_, writer) =>
            new Promise<void>((resolve, reject) => {
              const child = execFile(
                ...[lua, [STUB, SCRIPT]],
                { env: environment({}), maxBuffer: 64 * 1_024 * 1_024 },
                (error) => (error ? reject(new Error(error.message)) : resolve()),
              );
              child.stdin?.end(inputOf(names(writer)));
            }),
        ),
      );
      const found = subjectsOf(log);
      assert.equal(found.length, processes * each);
      for (let writer = 0; writer < processes; writer++) {
        const own = found.filter((subject) => String(subject).startsWith(`${writer}-`));
        assert.deepEqual(own, names(writer), 'in its own order');
      }
    });

    test('what is not there is not made, and one sentence says what is lost', () => {
      for (const name of [log.log, log.hold]) rmSync(name);
      const { said } = run(['one']);
      assert.equal(said.length, 1);
      assert.match(
        said[0]!,
        /events of alice \(503 said so\) and .*\/8\/log: No such file or directory\)/,
      );
      assert.match(said[0]!, /they are lost\. "coi-sidecar doctor" says what to do$/);
      assert.deepEqual(readdirSync(log.dir), []);
    });

    test('no directory for this system user: the sidecar is told all the same', () => {
      rmSync(log.dir, { recursive: true });
      assert.deepEqual(run(['one'], { COI_STATUS: 204 }).said, []);
      assert.match(run(['one']).said[0]!, /No such file or directory.*they are lost/);
      assert.deepEqual(readdirSync(eventsDir), []);
    });

    test('a setting that is not there', () => {
      const { said } = run(['one'], { COI_EVENTS_DIR: '' });
      assert.match(
        said[0]!,
        /\(503 said so\) and coi_sidecar_events_dir is not set: they are lost$/,
      );
    });

    test('a FIFO in its place stops nobody', () => {
      rmSync(log.log);
      execFileSync('mkfifo', ['-m', '666', log.log]);
      assert.match(run(['one']).said[0]!, /log: Illegal seek.*they are lost/);
    });

    test('it takes nothing past a gigabyte', () => {
      truncateSync(log.log, 1_073_741_824);
      assert.match(run(['one']).said[0]!, /log: it has a gigabyte already.*they are lost/);
      truncateSync(log.log, 1_073_741_823);
      assert.match(run(['one']).said[0]!, /they wait in the event log$/);
    });

    describe('on a full disk', { skip: noSmallDisks }, () => {
      let disk: SmallDisk;
      before(() => (disk = mountSmallDisk('1m')));
      after(() => disk.unmount());
      afterEach(() => disk.free());

      test('says so; what was written in part is a line of its own', async () => {
        eventsDir = join(disk.dir, 'events');
        mkdirSync(eventsDir);
        log = await makeEventLog(eventsDir, UID);
        run(['before']);
        disk.fill();
        // Its last page has room for a part of it.
        const { said } = run(['y'.repeat(8_192)]);
        assert.match(said[0]!, /log: No space left on device.*they are lost/);
        disk.free();
        writeFileSync(join(disk.dir, 'ballast'), '');
        run(['after']);
        const lines = readFileSync(log.log, 'utf8').split('\n').filter(Boolean);
        assert.equal(lines.length, 3);
        assert.match(lines[1]!, /^\{.*yyy$/);
        assert.match(lines[2]!, /"after".*\}$/);
      });
    });

    describe('while the sidecar hangs', () => {
      test('it is asked once, and then left alone for ten seconds', () => {
        const { posted, said } = run(['one', 'two', 'three'], { COI_STATUS: 9_008 });
        assert.equal(posted.length, 1);
        assert.deepEqual(subjectsOf(log), ['one', 'two', 'three']);
        assert.equal(readFileSync(log.hold, 'utf8'), String(NOW + 10));
        assert.match(said[2]!, /\(too slow a moment ago\): they wait in the event log$/);
        assert.equal(run(['four'], { COI_NOW: NOW + 9 }).posted.length, 0);
        assert.equal(run(['five'], { COI_NOW: NOW + 10 }).posted.length, 1);
      });

      test('a refusal is not a hang', () => {
        assert.equal(run(['one', 'two']).posted.length, 2);
        assert.ok(Number(readFileSync(log.hold, 'utf8')) < NOW);
      });

      for (const [what, text] of [
        ['nothing', ''],
        ['zeros', '0000000000'],
        ['a time that is past', String(NOW - 1)],
        ['a time that is too far off, as after the clock was set back', String(NOW + 11)],
        ['no number', 'for ever\n'],
        ['more than can be read soon', ' '.repeat(1_048_576) + String(NOW + 5)],
      ] as const)
        test(`${what} in the file: it is asked`, () => {
          writeFileSync(log.hold, text);
          assert.equal(run(['one'], { COI_STATUS: 204 }).posted.length, 1);
        });

      test('it is asked all the same where the log takes nothing', () => {
        writeFileSync(log.hold, String(NOW + 5));
        rmSync(log.log);
        const { posted, said } = run(['one'], { COI_STATUS: 204 });
        assert.deepEqual([posted.length, said], [1, []]);
      });
    });

    test('a long transaction comes in several lines, none of which is too long', () => {
      const subject = '\u0001'.repeat(70_000); // escaped, six octets each
      const { posted } = run([subject], { COI_EVENTS: 12 });
      const events = log.read().flatMap((line) => line.events);
      const [body = ''] = posted;
      assert.deepEqual(events, (JSON.parse(body) as { events: unknown[] }).events);
      assert.equal(events.length, 12);
      assert.equal(events[0]?.['subject'], subject.slice(0, 65_536));
      const lines = readFileSync(log.log, 'utf8').split('\n').filter(Boolean);
      assert.ok(lines.length > 2, `${lines.length} lines`);
      for (const line of lines) assert.ok(line.length < 4 * 1_048_576, String(line.length));
    });

    test('many small events are one line', () => {
      run(['x'], { COI_EVENTS: 5_000 });
      assert.deepEqual(
        log.read().map(({ events }) => events.length),
        [5_000],
      );
    });

    test('a line that another program left open does not swallow the next', () => {
      appendFileSync(log.log, '\n{"user":"half');
      run(['whole']);
      const lines = readFileSync(log.log, 'utf8').split('\n').filter(Boolean);
      assert.deepEqual([lines[0], lines.length], ['{"user":"half', 2]);
    });
  });
}
