import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { DatabaseSync } from 'node:sqlite';
import { pino } from 'pino';
import { DoveadmCommandError, EXIT_CODES } from '../../src/dovecot/doveadm-client.ts';
import { sayAskingDovecot } from '../../src/dovecot/asking-dovecot.ts';
import { UnavailableError } from '../../src/errors.ts';
import type { Transaction } from '../../src/events/event-schema.ts';
import { JournalWorker } from '../../src/events/journal-worker.ts';
import { OverShareError } from '../../src/stores/over-share-error.ts';
import { openSqliteOutboxStore } from '../../src/stores/sqlite/sqlite-outbox-store.ts';
import { makeTempDir } from '../stores/make-temp-dir.ts';
import { recordLog } from '../support/record-log.ts';
import { eventually } from '../support/start-stage.ts';

const transaction = (user: string, uid: number): Transaction => ({
  user,
  events: [{ event: 'MessageNew', mailbox: 'INBOX', uid, uidvalidity: 1 }],
});
const DAY = 86_400_000;

describe('the journal of events', () => {
  let directory: ReturnType<typeof makeTempDir>;
  let outbox: Awaited<ReturnType<typeof openSqliteOutboxStore>>;
  let worker: JournalWorker;
  let handled: string[];
  let failing: Set<string>;
  let refused: Set<string>;
  let unknown: Set<string>;
  let givenUp: string[];
  let now: number;
  let stepped: number;
  let times: number[];
  let begun: number;
  let waitFor: Promise<unknown>;

  const path = (): string => `${directory.path}/outbox.db`;
  const clock = { now: () => now++, monotonic: () => now };
  const handle = async ({ user, events }: Transaction, receivedAt: number): Promise<void> => {
    begun += 1;
    times.push(receivedAt);
    await waitFor;
    const [event] = events;
    const name = `${user}:${event !== undefined && 'uid' in event ? event.uid : ''}`;
    if (failing.has(user) || failing.has(name)) throw new Error('Dovecot does not answer');
    if (refused.has(name)) {
      throw new DoveadmCommandError({ name: 'move', parameters: {} }, 'exitCode', 75);
    }
    if (unknown.has(name)) {
      const cause = new DoveadmCommandError(
        { name: 'mailboxCreate', parameters: {} },
        'exitCode',
        EXIT_CODES.noSuchUser,
      );
      throw new UnavailableError('no mailbox', { cause });
    }
    handled.push(name);
  };
  const makeWorker = (log = pino({ level: 'silent' })): JournalWorker =>
    new JournalWorker({
      journal: outbox.journal,
      pollInterval: 60_000,
      ...{ handle, clock, log },
      byToday: (noted) => noted + stepped,
      onGivenUp: (reason) => givenUp.push(reason),
    });
  const open = (): ReturnType<typeof openSqliteOutboxStore> =>
    openSqliteOutboxStore(path(), {
      rememberMsecs: 1_000,
      clock,
      limits: {
        ofUser: { transactions: 1_000, octets: 1_000_000 },
        inAll: { transactions: 2_000, octets: 10_000_000 },
      },
    });
  /** Without the worker's own round, which begins at once. */
  const keep = async (user: string, uid: number): Promise<void> => {
    const one = JSON.stringify(transaction(user, uid));
    await outbox.journal.keep({ user, transaction: one, receivedAt: now++ }).kept;
  };
  const keepMany = async (user: string, count: number): Promise<void> => {
    await Promise.all(Array.from({ length: count }, (_, index) => keep(user, index + 1)));
  };
  /** Rounds that something began are over, and what was handled is out. */
  const takeIn = async (): Promise<void> => {
    await worker.takeIn();
    await worker.takeIn();
  };

  beforeEach(async () => {
    directory = makeTempDir();
    [handled, times, givenUp] = [[], [], []];
    [failing, refused, unknown] = [new Set(), new Set(), new Set()];
    [stepped, begun] = [0, 0];
    waitFor = Promise.resolve();
    now = 1_700_000_000_000;
    outbox = await open();
    worker = makeWorker();
  });
  afterEach(async () => {
    await worker.stop();
    await outbox.close();
    directory.remove();
  });

  it('handles what was written, in order, and removes it', async () => {
    for (const uid of [1, 2, 3]) await keep('alice', uid);
    assert.equal(worker.waiting(), 3);
    await worker.takeIn();
    assert.deepEqual(handled, ['alice:1', 'alice:2', 'alice:3']);
    assert.equal(worker.waiting(), 0);
    await eventually(() => assert.equal(outbox.journal.waiting(), 0));
  });

  it('begins by itself with what is written', async () => {
    await worker.write(transaction('alice', 9));
    await eventually(() => assert.deepEqual(handled, ['alice:9']));
  });

  it('keeps what fails and what follows it, while other users go on', async () => {
    await keep('alice', 1);
    await keep('bob', 1);
    await keep('alice', 2);
    failing.add('alice');
    await takeIn();
    assert.deepEqual(handled, ['bob:1']);
    assert.equal(worker.waiting(), 2);

    failing.clear();
    await takeIn();
    assert.deepEqual(handled, ['bob:1'], 'a failed one is not tried again at once');
    now += 1_000_000;
    await takeIn();
    assert.deepEqual(handled, ['bob:1', 'alice:1', 'alice:2']);
  });

  it('keeps the order of a user of whom more waits than is looked at together', async () => {
    await keepMany('alice', 600);
    await keep('bob', 1);
    failing.add('alice:1');
    await worker.takeIn();
    assert.deepEqual(handled, ['bob:1']);
    assert.equal(begun, 2);
    failing.clear();
    now += 1_000_000;
    await takeIn();
    await takeIn();
    const alices = Array.from({ length: 600 }, (_, index) => `alice:${index + 1}`);
    assert.deepEqual(handled, ['bob:1', ...alices]);
  });

  it('lets others pass a few that fail for minutes, and no more', async () => {
    for (let uid = 1; uid <= 12; uid++) await keep('alice', uid);
    failing.add('alice:1');
    await worker.takeIn();
    assert.deepEqual(handled, []);
    now += 120_000;
    failing.add('alice:3');
    await worker.takeIn();
    assert.deepEqual(handled, ['alice:2'], 'one that fails for the first time holds up the others');

    for (let uid = 1; uid < 12; uid++) failing.add(`alice:${uid}`);
    for (let minutes = 0; minutes < 60; minutes++) {
      now += 60_000;
      await worker.takeIn();
    }
    begun = 0;
    now += 60_000;
    await worker.takeIn();
    assert.deepEqual(handled, ['alice:2'], 'more are an outage');
    assert.equal(begun, 9);
    failing.clear();
    now += 60_000;
    await takeIn();
    assert.equal(worker.waiting(), 0);
  });

  it('lets others pass what Dovecot refuses, and gives it up after a day', async () => {
    for (const uid of [1, 2, 3]) await keep('alice', uid);
    refused.add('alice:2');
    await worker.takeIn();
    assert.deepEqual(handled, ['alice:1', 'alice:3']);
    await keep('alice', 4);
    await worker.takeIn();
    assert.deepEqual(handled, ['alice:1', 'alice:3', 'alice:4'], 'also while it pauses');
    assert.equal(worker.waiting(), 1);
    now += DAY + 60_000;
    await worker.takeIn();
    assert.equal(worker.waiting(), 0);
    assert.deepEqual(givenUp, ['refused']);
    assert.equal(await worker.forget('alice'), 1, 'it was set aside, for a person to look at');
  });

  it('gives up at once what is told of nobody whom Dovecot knows, and keeps none of it', async () => {
    for (const uid of [1, 2, 3]) await keep('alice', uid);
    unknown.add('alice:2');
    await takeIn();
    assert.deepEqual(handled, ['alice:1', 'alice:3']);
    assert.equal(worker.waiting(), 0);
    assert.deepEqual(givenUp, ['refused']);
    assert.equal(begun, 3);
    assert.equal(await worker.forget('alice'), 0, 'nothing was set aside either');
  });

  it('gives up a copy that is refused, and goes on with what waits behind it', async () => {
    const { log, lines } = recordLog();
    worker = makeWorker(log);
    const copy = await worker.writeCopy(transaction('alice', 1));
    await keep('alice', 2);
    await worker.takeIn();
    assert.deepEqual(handled, []);
    await copy.refuse('exit code 67');
    await eventually(() => assert.deepEqual(handled, ['alice:2']));
    await eventually(() => assert.equal(outbox.journal.waiting(), 0));
    assert.deepEqual(givenUp, ['refused']);
    const said = lines.find(({ msg }) => msg.startsWith('an event is given up'));
    assert.deepEqual([said?.['user'], said?.['reason']], ['alice', 'exit code 67']);
  });

  it('tells since when an event waits by the clock as it is now', async () => {
    const before = now;
    await keep('alice', 1);
    refused.add('alice:1');
    stepped = 7 * DAY;
    now += stepped;
    await worker.takeIn();
    const [time = 0] = times;
    assert(Math.abs(time - stepped - before) < 60_000, String(time));
    assert.equal(worker.waiting(), 1, 'nor is it given up as if it had waited for days');
  });

  it('leaves a copy alone, and what follows it, until it is discarded', async () => {
    const copy = await worker.writeCopy(transaction('alice', 1));
    await keep('alice', 2);
    await keep('bob', 1);
    await worker.takeIn();
    assert.deepEqual(handled, ['bob:1']);
    await copy.discard();
    await eventually(() => assert.deepEqual(handled, ['bob:1', 'alice:2']));
    await eventually(() => assert.equal(outbox.journal.waiting(), 0));
  });

  it('handles a copy that is released', async () => {
    const copy = await worker.writeCopy(transaction('alice', 1));
    await worker.takeIn();
    assert.deepEqual(handled, []);
    copy.release();
    await worker.takeIn();
    assert.deepEqual(handled, ['alice:1']);
  });

  it('handles what another process had in hand, with the time at which it came', async () => {
    await worker.writeCopy(transaction('alice', 1));
    const received = now;
    await worker.stop();
    await outbox.close();
    now += 3_600_000;
    outbox = await open();
    worker = makeWorker();
    await worker.takeIn();
    assert.deepEqual(handled, ['alice:1']);
    assert(Math.abs((times[0] ?? 0) - received) < 100, String(times[0]));
  });

  it('does not handle a copy that is discarded while a round is at work', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    waitFor = promise;
    await keep('alice', 1);
    const copy = await worker.writeCopy(transaction('alice', 2));
    await keep('alice', 3);
    const round = worker.takeIn();
    await eventually(() => assert.equal(begun, 1));
    await copy.discard();
    resolve(undefined);
    await round;
    await takeIn();
    assert.deepEqual(handled, ['alice:1', 'alice:3']);
  });

  it('sets damaged entries aside, whatever is in them, and goes on', async () => {
    await keep('alice', 1);
    await worker.stop();
    await outbox.close();
    const db = new DatabaseSync(path());
    const insert = db.prepare('INSERT INTO journal VALUES (?, ?, ?, ?, ?)');
    insert.setReadBigInts(true);
    insert.run(100, 'alice', 9_223_372_036_854_775_807n, '{"user":"alice"', 9);
    insert.run(101, 'alice', -5, '{"user":"x","events":[{"event":"?"}]}', 9);
    insert.run(9_223_372_036_854_775_806n, 'alice', 5, 'not reachable', 9);
    insert.run(-9_223_372_036_854_775_808n, 'alice', 5, 'not reachable', 9);
    db.exec(`INSERT INTO event_log VALUES ('7', 9223372036854775807)`);
    db.close();
    outbox = await open();
    worker = makeWorker();
    assert.equal((await outbox.journal.positions()).size, 1);
    await keep('bob', 1);
    await takeIn();
    assert.deepEqual(handled.toSorted(), ['alice:1', 'bob:1']);
    assert.deepEqual(givenUp, ['damaged', 'damaged']);
    assert.equal(worker.waiting(), 0);
  });

  it('keeps no more for one user than its share, and room for the others', async () => {
    failing.add('alice');
    failing.add('bob');
    await keepMany('alice', 1_000);
    await assert.rejects(worker.write(transaction('alice', 1_001)), OverShareError);
    const entry = { transaction: JSON.stringify(transaction('alice', 7)), receivedAt: now };
    const entries = ['alice', 'bob', 'alice'].map((user) => ({ ...entry, user }));
    assert.equal(await outbox.journal.takeIn({ entries, setAside: [] }), 2);
    assert.equal(outbox.journal.waiting(), 1_001);
    assert.ok(await worker.makeRoom());
    await keepMany('bob', 999);
    assert.equal(await worker.makeRoom(), false);
    await assert.rejects(worker.write(transaction('carol', 1)), /no room for further events/);
  });

  it('asks Dovecot for a few users at a time', async () => {
    let [asking, most] = [0, 0];
    const busy = new JournalWorker({
      journal: outbox.journal,
      pollInterval: 60_000,
      handle: async () => {
        await new Promise((resolve) => setImmediate(resolve)); // what it finds out by itself
        sayAskingDovecot();
        asking += 1;
        most = Math.max(most, asking);
        await new Promise((resolve) => setTimeout(resolve, 2));
        asking -= 1;
      },
      ...{ clock, log: pino({ level: 'silent' }) },
      byToday: (noted) => noted,
    });
    for (let user = 0; user < 300; user++) await keep(`user${user}`, 1);
    await busy.takeIn();
    await busy.stop();
    // All that begin together may ask; from then on it is one for one.
    assert.ok(most <= 64, String(most));
    assert.equal(busy.waiting(), 0);
  });

  it('says once a round what could not be handled, and how often', async () => {
    const { log, lines } = recordLog();
    const telling = makeWorker(log);
    for (let user = 0; user < 50; user++) await keep(`user${user}`, 1);
    for (let user = 0; user < 50; user++) failing.add(`user${user}`);
    await telling.takeIn();
    await telling.stop();
    const said = lines.filter(({ msg }) => msg === 'events could not be handled yet');
    assert.deepEqual(
      said.map(({ count, reason }) => ({ count, reason })),
      [{ count: 50, reason: 'Dovecot does not answer' }],
    );
  });

  it('forgets the events of one user, those that were set aside too', async () => {
    for (const user of ['alice', 'bob', 'alice']) await keep(user, 1);
    const aside = { at: now, reason: 'not an event', content: '{"user":"alice","events":7}' };
    await outbox.journal.takeIn({ entries: [], setAside: [{ ...aside, user: 'alice' }, aside] });
    assert.equal(await worker.forget('alice'), 3);
    await worker.takeIn();
    assert.deepEqual(handled, ['bob:1']);
    assert.equal(await worker.forget('alice'), 0);
  });
});
