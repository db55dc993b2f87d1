import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { DoveadmCommandError } from '../../src/dovecot/doveadm-client.ts';
import type { Transaction } from '../../src/events/event-schema.ts';
import { createSpool, type Spool } from '../../src/events/spool.ts';

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
  let spool: Spool;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'coi-spool-'));
    handled = [];
    failing = new Set();
    refused = new Set();
    now = 1_700_000_000_000;
    spool = createSpool({
      dir,
      pollInterval: 60_000,
      handle: ({ user, events }) => {
        const [event] = events;
        const name = `${user}:${event !== undefined && 'uid' in event ? event.uid : ''}`;
        if (failing.has(user)) return Promise.reject(new Error('Dovecot does not answer'));
        if (refused.has(name)) {
          const command = { name: 'move', parameters: {} };
          return Promise.reject(new DoveadmCommandError(command, 'exitCode', 75));
        }
        handled.push(name);
        return Promise.resolve();
      },
      clock: { now: () => now++, monotonic: () => now },
      log: pino({ level: 'silent' }),
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

  it('sets aside what makes no sense, and goes on', async () => {
    await writeFile(join(dir, '00000000000000001-a.json'), '{"user":');
    await writeFile(join(dir, '00000000000000002-b.json'), '{"user":"x","events":[{"event":"?"}]}');
    await spool.write(transaction('alice', 1));
    await spool.takeIn();
    assert.deepEqual(handled, ['alice:1']);
    assert.deepEqual((await readdir(join(dir, 'rejected'))).length, 2);
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
    await import('node:fs/promises').then(({ mkdir }) => mkdir(dir));
  });
});
