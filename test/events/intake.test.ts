import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { sayAskingDovecot } from '../../src/dovecot/asking-dovecot.ts';
import type { Transaction } from '../../src/events/event-schema.ts';
import { createIntake } from '../../src/events/intake.ts';

const transaction: Transaction = {
  user: 'alice',
  events: [{ event: 'MailboxCreate', mailbox: 'COI/Chats' }],
};

/** What is delivered need not wait for what is asked of Dovecot. */
const delivered: Transaction = {
  user: 'alice',
  events: [{ event: 'MessageNew', mailbox: 'INBOX', uid: 1, uidvalidity: 1 }],
};

interface Faults {
  spoolFails?: boolean;
  journalFails?: boolean;
}

function intakeWith(
  handle: () => Promise<void>,
  { spoolFails = false, journalFails = false }: Faults = {},
) {
  /** Ids in the journal. */
  const journalled = new Set<number>();
  let ids = 0;
  const spooled: Transaction[] = [];
  const held: Transaction[] = [];
  /** What became of copies. */
  const copies: string[] = [];
  const write = (one: Transaction): Promise<void> => {
    if (spoolFails) return Promise.reject(new Error('disk full'));
    spooled.push(one);
    return Promise.resolve();
  };
  const intake = createIntake({
    handle,
    journal: {
      keep: () => {
        if (journalFails) return Promise.reject(new Error('disk full'));
        journalled.add((ids += 1));
        return Promise.resolve(ids);
      },
      forget: (id) => journalled.delete(id),
    },
    spool: {
      write,
      writeCopy: async (one) => {
        await write(one);
        return {
          discard: () => {
            copies.push('discarded');
            return Promise.resolve();
          },
          release: () => copies.push('released'),
        };
      },
    },
    hold: (one) => held.push(one),
    now: () => 1_700_000_000_000,
    log: pino({ level: 'silent' }),
  });
  return { intake, journalled, spooled, held, copies };
}

describe('the intake', () => {
  it('says done when everything is done', async () => {
    const { intake, spooled } = intakeWith(() => Promise.resolve());
    assert.equal(await intake.take(transaction), 'done');
    assert.deepEqual(spooled, []);
  });

  it('spools what fails', async () => {
    const { intake, spooled, copies } = intakeWith(() => Promise.reject(new Error('no Dovecot')));
    assert.equal(await intake.take(transaction), 'kept');
    assert.deepEqual(spooled, [transaction]);
    await intake.drain();
    assert.deepEqual(copies, [], 'it is no copy: nothing is under way any more');
  });

  for (const [what, copy] of [
    ['is done', 'discarded'],
    ['fails', 'released'],
  ] as const) {
    it(`spools a copy of what takes too long, ${copy} when it ${what} after all`, async () => {
      const { promise, resolve, reject } = Promise.withResolvers<undefined>();
      const { intake, spooled, copies } = intakeWith(() => promise);
      assert.equal(await intake.take(transaction), 'kept');
      assert.deepEqual([spooled, copies], [[transaction], []]);
      if (copy === 'discarded') resolve(undefined);
      else reject(new Error('no Dovecot'));
      await intake.drain();
      assert.deepEqual(copies, [copy]);
    });
  }

  it('does not let a delivery wait for a part that hangs, and the next ones even less', async () => {
    const { intake, spooled } = intakeWith(() => new Promise(() => undefined));
    const started = performance.now();
    assert.equal(await intake.take(transaction), 'kept');
    const first = performance.now() - started;
    assert.ok(first < 2_000, `${first} ms is longer than the Lua script waits`);
    const again = performance.now();
    assert.equal(await intake.take(transaction), 'kept');
    assert.ok(performance.now() - again < first / 2);
    assert.equal(spooled.length, 2);
  });

  it('refuses and holds what not even the spool takes', async () => {
    const { intake, held } = intakeWith(() => Promise.reject(new Error('no Dovecot')), {
      spoolFails: true,
    });
    await assert.rejects(intake.take(transaction), /disk full/);
    assert.deepEqual(held, [transaction]);
  });

  it('counts the events that are not handled yet, whether Dovecot waits for them or not', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const { intake, journalled } = intakeWith(async () => {
      sayAskingDovecot();
      await promise;
    });
    const waiting = intake.take({
      ...transaction,
      events: [...transaction.events, ...transaction.events],
    });
    assert.equal(await intake.take(delivered), 'kept');
    assert.equal(journalled.size, 1);
    assert.equal(intake.waiting(), 3);
    resolve(undefined);
    assert.equal(await waiting, 'done');
    await intake.drain();
    assert.equal(intake.waiting(), 0);
  });

  it('counts what failed no more: it waits in the spool', async () => {
    const { intake } = intakeWith(() => Promise.reject(new Error('no Dovecot')));
    await intake.take(transaction);
    assert.equal(intake.waiting(), 0);
  });

  it('drains what is under way', async () => {
    let finished = false;
    const { intake } = intakeWith(async () => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      finished = true;
    });
    const taking = intake.take(transaction);
    await intake.drain();
    assert.ok(finished);
    await taking;
  });

  describe('when Dovecot itself is asked', () => {
    /** Handling that asks Dovecot, and goes on when it is told to. */
    function asking() {
      const { promise, resolve, reject } = Promise.withResolvers<undefined>();
      const handle = async (): Promise<void> => {
        await Promise.resolve(); // something else comes first
        sayAskingDovecot();
        await promise;
      };
      return { handle, answer: () => resolve(undefined), refuse: () => reject(new Error('no')) };
    }

    it('a delivery has its answer at once, and is in the journal until it is done', async () => {
      const { handle, answer } = asking();
      const { intake, journalled, spooled } = intakeWith(handle);
      assert.equal(await intake.take(delivered), 'kept');
      assert.deepEqual([journalled.size, spooled], [1, []]);
      answer();
      await intake.drain();
      assert.deepEqual([journalled.size, spooled], [0, []]);
    });

    it('what fails then goes from the journal to the spool', async () => {
      const { handle, refuse } = asking();
      const { intake, journalled, spooled } = intakeWith(handle);
      assert.equal(await intake.take(delivered), 'kept');
      refuse();
      await intake.drain();
      assert.deepEqual([journalled.size, spooled], [0, [delivered]]);
    });

    it('what not even the spool takes is held, and stays in the journal', async () => {
      const { handle, refuse } = asking();
      const { intake, journalled, held } = intakeWith(handle, { spoolFails: true });
      assert.equal(await intake.take(delivered), 'kept');
      refuse();
      await intake.drain();
      assert.deepEqual([journalled.size, held], [1, [delivered]]);
    });

    it('a delivery waits when the journal does not take it', async () => {
      const { handle, answer } = asking();
      const { intake, spooled } = intakeWith(handle, { journalFails: true });
      const taking = intake.take(delivered);
      setImmediate(answer);
      assert.equal(await taking, 'done');
      assert.deepEqual(spooled, []);
    });

    it('deliveries wait when too many are under way already', async () => {
      const { handle, answer } = asking();
      const { intake, journalled } = intakeWith(handle);
      for (let count = 0; count < 64; count++) await intake.take(delivered);
      const taking = intake.take(delivered);
      setImmediate(answer);
      assert.equal(await taking, 'done');
      await intake.drain();
      assert.equal(journalled.size, 0);
    });

    it('a client’s command waits: its effects are there when it is answered', async () => {
      const { handle, answer } = asking();
      const { intake, journalled } = intakeWith(handle);
      const taking = intake.take(transaction);
      setImmediate(answer);
      assert.equal(await taking, 'done');
      assert.equal(journalled.size, 0);
    });

    it('what is done before it is in the journal does not stay there', async () => {
      const { handle, answer } = asking();
      const { intake, journalled } = intakeWith(() => {
        answer();
        return handle();
      });
      await intake.take(delivered);
      await intake.drain();
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(journalled.size, 0);
    });
  });
});
