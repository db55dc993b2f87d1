import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { DoveadmCommandError } from '../../src/dovecot/doveadm-client.ts';
import type { Transaction } from '../../src/events/event-schema.ts';
import { createSpool, type Spool } from '../../src/events/spool.ts';
import { eventually } from '../support/start-stage.ts';

const transaction = (user: string, uid: number): Transaction => ({
  user,
  events: [{ event: 'MessageNew', mailbox: 'INBOX', uid, uidvalidity: 1 }],
});

describe('the spool', () => {
  let dir: string;
  let handled: string[];
  let failing: Set<string>;
  let refused: Set<string>;
  let now: number;
  let stepped: number;
  let times: number[];
  let spool: Spool;
  let results: string[];
  let begun: number;
  let waitFor: Promise<unknown>;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'coi-spool-'));
    handled = [];
    failing = new Set();
    refused = new Set();
    stepped = 0;
    times = [];
    results = [];
    begun = 0;
    waitFor = Promise.resolve();
    now = 1_700_000_000_000;
    spool = createSpool({
      dir,
      pollInterval: 60_000,
      handle: async ({ user, events }, receivedAt) => {
        begun += 1;
        times.push(receivedAt);
        await waitFor;
        const [event] = events;
        const name = `${user}:${event !== undefined && 'uid' in event ? event.uid : ''}`;
        if (failing.has(user) || failing.has(name)) throw new Error('Dovecot does not answer');
        if (refused.has(name)) {
          throw new DoveadmCommandError({ name: 'move', parameters: {} }, 'exitCode', 75);
        }
        handled.push(name);
      },
      clock: { now: () => now++, monotonic: () => now },
      byToday: (noted) => noted + stepped,
      log: pino({ level: 'silent' }),
      onFile: (result) => results.push(result),
    });
  });
  afterEach(async () => {
    await spool.stop();
    await rm(dir, { recursive: true });
  });

  it('takes in what was written, in order, and removes it', async () => {
    for (const uid of [1, 2, 3]) await spool.write(transaction('alice', uid));
    assert.equal(await spool.pending(), 3);
    await spool.takeIn();
    assert.deepEqual(handled, ['alice:1', 'alice:2', 'alice:3']);
    assert.deepEqual(await readdir(dir), []);
  });

  it('keeps what fails and what follows it, while other users go on', async () => {
    await spool.write(transaction('alice', 1));
    await spool.write(transaction('bob', 1));
    await spool.write(transaction('alice', 2));
    failing.add('alice');
    await spool.takeIn();
    assert.deepEqual(handled, ['bob:1']);
    assert.equal(await spool.pending(), 2);

    failing.clear();
    await spool.takeIn();
    assert.deepEqual(handled, ['bob:1'], 'a failed one is not tried again at once');
    now += 1_000_000;
    await spool.takeIn();
    assert.deepEqual(handled, ['bob:1', 'alice:1', 'alice:2']);
  });

  it('keeps the order of a user who has more than one round looks at together', async () => {
    for (let uid = 1; uid <= 600; uid++) {
      const name = `${String(uid).padStart(20, '0')}-x.json`;
      await writeFile(join(dir, name), JSON.stringify(transaction('alice', uid)));
    }
    await spool.write(transaction('bob', 1));
    failing.add('alice:1');
    await spool.takeIn();
    assert.deepEqual(handled, ['bob:1']);
    assert.equal(begun, 2);
  });

  it('lets others pass a few that fail for minutes, and no more', async () => {
    for (let uid = 1; uid <= 12; uid++) await spool.write(transaction('alice', uid));
    failing.add('alice:1');
    await spool.takeIn();
    assert.deepEqual(handled, []);
    now += 120_000;
    failing.add('alice:3');
    await spool.takeIn();
    assert.deepEqual(handled, ['alice:2'], 'one that fails for the first time holds up the others');

    for (let uid = 1; uid < 12; uid++) failing.add(`alice:${uid}`);
    for (let minutes = 0; minutes < 60; minutes++) {
      now += 60_000;
      await spool.takeIn();
    }
    begun = 0;
    now += 60_000;
    await spool.takeIn();
    assert.deepEqual(handled, ['alice:2'], 'more are an outage');
    assert.equal(begun, 9);
    failing.clear();
    now += 60_000;
    await spool.takeIn();
    assert.equal(await spool.pending(), 0);
  });

  it('lets others pass what Dovecot refuses, and sets it aside after a day', async () => {
    for (const uid of [1, 2, 3]) await spool.write(transaction('alice', uid));
    refused.add('alice:2');
    // Files are as old as the file system says, whatever the clock of this test.
    now = Date.now();
    await spool.takeIn();
    assert.deepEqual(handled, ['alice:1', 'alice:3']);
    await spool.write(transaction('alice', 4));
    await spool.takeIn();
    assert.deepEqual(handled, ['alice:1', 'alice:3', 'alice:4'], 'also while it pauses');
    assert.equal(await spool.pending(), 1);
    now += 86_400_000 + 60_000;
    await spool.takeIn();
    assert.equal(await spool.pending(), 0);
    assert.equal((await readdir(join(dir, 'rejected'))).length, 1);
  });

  it('tells since when an event waits by the clock as it is now', async () => {
    const before = Date.now();
    await spool.write(transaction('alice', 1));
    refused.add('alice:1');
    stepped = 7 * 86_400_000;
    now = Date.now() + stepped;
    await spool.takeIn();
    const [time = 0] = times;
    assert(Math.abs(time - stepped - before) < 60_000, String(time));
    assert.equal(await spool.pending(), 1, 'nor is it given up as if it had waited for days');
  });

  it('leaves a copy alone, and what follows it, until it is discarded', async () => {
    const copy = await spool.writeCopy(transaction('alice', 1));
    await spool.write(transaction('alice', 2));
    await spool.write(transaction('bob', 1));
    await spool.takeIn();
    assert.deepEqual(handled, ['bob:1']);
    assert.equal(await spool.pending(), 2);
    await copy.discard();
    await spool.takeIn();
    assert.deepEqual(handled, ['bob:1', 'alice:2']);
    assert.deepEqual(await readdir(dir), []);
    assert.deepEqual(results, ['taken', 'needless', 'taken']);
  });

  it('takes in a copy that is released', async () => {
    const copy = await spool.writeCopy(transaction('alice', 1));
    await spool.takeIn();
    assert.deepEqual(handled, []);
    copy.release();
    await spool.takeIn();
    assert.deepEqual(handled, ['alice:1']);
  });

  it('does not handle a copy that is discarded while a round is at work', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    waitFor = promise;
    await spool.write(transaction('alice', 1));
    const copy = await spool.writeCopy(transaction('alice', 2));
    await spool.write(transaction('alice', 3));
    const round = spool.takeIn();
    await eventually(() => assert.equal(begun, 1));
    await copy.discard();
    resolve(undefined);
    await round;
    await spool.takeIn();
    assert.deepEqual(handled, ['alice:1', 'alice:3']);
  });

  it('sets aside what makes no sense, and goes on', async () => {
    await writeFile(join(dir, '00000000000000001-a.json'), '{"user":');
    await writeFile(join(dir, '00000000000000002-b.json'), '{"user":"x","events":[{"event":"?"}]}');
    await spool.write(transaction('alice', 1));
    await spool.takeIn();
    assert.deepEqual(handled, ['alice:1']);
    assert.deepEqual((await readdir(join(dir, 'rejected'))).length, 2);
  });

  it('goes on although it can set nothing aside', async () => {
    await writeFile(join(dir, 'rejected'), 'in the way');
    await writeFile(join(dir, '00000000000000001-a.json'), '{"user":');
    await spool.write(transaction('alice', 1));
    await spool.takeIn();
    assert.deepEqual(handled, ['alice:1']);
    assert.deepEqual(await readdir(dir), ['00000000000000001-a.json', 'rejected']);
  });

  it('puts nothing where a link of somebody else leads', async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'coi-elsewhere-'));
    await symlink(elsewhere, join(dir, 'rejected'));
    await writeFile(join(dir, '00000000000000001-a.json'), '{"user":');
    await spool.takeIn();
    assert.deepEqual(await readdir(elsewhere), []);
    await rm(elsewhere, { recursive: true });
  });

  it('is held up by no pipe, and follows no link', { timeout: 60_000 }, async () => {
    const pipes = [1, 2, 3, 4, 5].map((n) => join(dir, `0000000000000000${n}-pipe.json`));
    await promisify(execFile)('mkfifo', pipes);
    const secret = join(dir, 'secret');
    await writeFile(secret, JSON.stringify(transaction('mallory', 1)));
    await symlink(secret, join(dir, '00000000000000006-link.json'));
    await mkdir(join(dir, '00000000000000007-dir.json'));
    await spool.write(transaction('alice', 1));
    assert.equal(await spool.forget('mallory'), 0);
    await spool.takeIn();
    assert.deepEqual(handled, ['alice:1']);
    assert.equal((await readdir(join(dir, 'rejected'))).length, 7);
    assert.equal(await spool.forget('alice'), 0, 'nor do they hold it up when set aside');
  });

  it('forgets the events of one user, those that were set aside too', async () => {
    for (const user of ['alice', 'bob', 'alice']) await spool.write(transaction(user, 1));
    await mkdir(join(dir, 'rejected'));
    await writeFile(join(dir, 'rejected', 'a.json'), JSON.stringify({ user: 'alice', events: 7 }));
    await writeFile(join(dir, 'rejected', 'b.json'), 'not JSON, of alice');
    assert.equal(await spool.forget('alice'), 3);
    assert.deepEqual(await readdir(join(dir, 'rejected')), ['b.json']);
    await spool.takeIn();
    assert.deepEqual(handled, ['bob:1']);
    assert.equal(await spool.forget('alice'), 0);
  });

  it('leaves files alone that are still being written', async () => {
    await writeFile(join(dir, '.tmp-1'), '{"us');
    await spool.takeIn();
    assert.deepEqual(await readdir(dir), ['.tmp-1']);
  });

  it('notices new files by itself', async () => {
    spool.start();
    await spool.write(transaction('alice', 9));
    const deadline = Date.now() + 5_000;
    while (handled.length === 0 && Date.now() < deadline)
      await new Promise((r) => setTimeout(r, 10));
    assert.deepEqual(handled, ['alice:9']);
  });

  it('says what to do when the directory is missing', async () => {
    await rm(dir, { recursive: true });
    await assert.rejects(spool.check(), /create it, writable for this service/);
    await assert.rejects(spool.write(transaction('alice', 1)));
    await mkdir(dir);
  });
});
