import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import type { Transaction } from '../../src/events/event-schema.ts';
import { createIntake } from '../../src/events/intake.ts';

const transaction: Transaction = {
  user: 'alice',
  events: [{ event: 'MailboxCreate', mailbox: 'COI/Chats' }],
};

function intakeWith(handle: () => Promise<void>, spoolFails = false) {
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
    log: pino({ level: 'silent' }),
  });
  return { intake, spooled, held, copies };
}

describe('the intake', () => {
  it('says done when everything is done', async () => {
    const { intake, spooled } = intakeWith(() => Promise.resolve());
    assert.equal(await intake.take(transaction), 'done');
    assert.deepEqual(spooled, []);
  });

  it('spools what fails', async () => {
    const { intake, spooled, copies } = intakeWith(() => Promise.reject(new Error('no Dovecot')));
    assert.equal(await intake.take(transaction), 'spooled');
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
      assert.equal(await intake.take(transaction), 'spooled');
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
    assert.equal(await intake.take(transaction), 'spooled');
    const first = performance.now() - started;
    assert.ok(first < 2_000, `${first} ms is longer than the Lua script waits`);
    const again = performance.now();
    assert.equal(await intake.take(transaction), 'spooled');
    assert.ok(performance.now() - again < first / 2);
    assert.equal(spooled.length, 2);
  });

  it('refuses and holds what not even the spool takes', async () => {
    const { intake, held } = intakeWith(() => Promise.reject(new Error('no Dovecot')), true);
    await assert.rejects(intake.take(transaction), /disk full/);
    assert.deepEqual(held, [transaction]);
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
});
