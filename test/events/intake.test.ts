import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { sayAskingDovecot } from '../../src/dovecot/asking-dovecot.ts';
import { DoveadmCommandError, EXIT_CODES } from '../../src/dovecot/doveadm-client.ts';
import { UnavailableError } from '../../src/errors.ts';
import type { Transaction } from '../../src/events/event-schema.ts';
import { createIntake } from '../../src/events/intake.ts';
import { OverShareError } from '../../src/stores/over-share-error.ts';

const transaction: Transaction = {
  user: 'alice',
  events: [{ event: 'MailboxCreate', mailbox: 'COI/Chats' }],
};

/** A client waits for what comes of its command. */
const read: Transaction = {
  user: 'alice',
  events: [{ event: 'MessageRead', mailbox: 'INBOX', uid: 1, uidvalidity: 1 }],
};

/** What is delivered need not wait for what is asked of Dovecot. */
const delivered: Transaction = {
  user: 'alice',
  events: [{ event: 'MessageNew', mailbox: 'INBOX', uid: 1, uidvalidity: 1 }],
};

const noSuchUser = new DoveadmCommandError(
  { name: 'mailboxStatus', parameters: {} },
  'exitCode',
  EXIT_CODES.noSuchUser,
);

function intakeWith(handle: () => Promise<void>, keepFails?: Error, keepHangs = false) {
  const kept: Transaction[] = [];
  const held: Transaction[] = [];
  const overShare: string[] = [];
  /** What became of what was kept. */
  const copies: string[] = [];
  const intake = createIntake({
    handle,
    journal: {
      writeCopy: (one) => {
        if (keepHangs) return new Promise(() => undefined);
        if (keepFails !== undefined) return Promise.reject(keepFails);
        kept.push(one);
        return Promise.resolve({
          discard: () => {
            copies.push('discarded');
            return Promise.resolve();
          },
          release: () => void copies.push('released'),
          refuse: () => {
            copies.push('refused');
            return Promise.resolve();
          },
        });
      },
    },
    hold: (one) => held.push(one),
    log: pino({ level: 'silent' }),
    onOverShare: () => overShare.push('over share'),
  });
  return { intake, kept, held, copies, overShare };
}

describe('the intake', () => {
  it('says done when everything is done', async () => {
    const { intake, kept } = intakeWith(() => Promise.resolve());
    assert.equal(await intake.take(transaction), 'done');
    assert.deepEqual(kept, []);
  });

  it('keeps what fails, for the journal to handle', async () => {
    const { intake, kept, copies } = intakeWith(() => Promise.reject(new Error('no Dovecot')));
    assert.equal(await intake.take(transaction), 'kept');
    assert.deepEqual(kept, [transaction]);
    await intake.drain();
    assert.deepEqual(copies, ['released']);
  });

  for (const [what, error] of [
    ['says it', noSuchUser],
    ['is why a mailbox cannot be made', new UnavailableError('no mailbox', { cause: noSuchUser })],
  ] as const) {
    it(`gives up what is told of nobody whom Dovecot knows, which ${what}`, async () => {
      for (const one of [transaction, read]) {
        const { intake, copies } = intakeWith(() => Promise.reject(error));
        assert.equal(await intake.take(one), 'kept');
        await intake.drain();
        assert.deepEqual(copies, ['refused']);
      }
    });
  }

  for (const [what, copy] of [
    ['is done', 'discarded'],
    ['fails', 'released'],
  ] as const) {
    it(`keeps what takes too long, ${copy} when it ${what} after all`, async () => {
      const { promise, resolve, reject } = Promise.withResolvers<undefined>();
      const { intake, kept, copies } = intakeWith(() => promise);
      assert.equal(await intake.take(transaction), 'kept');
      assert.deepEqual([kept, copies], [[transaction], []]);
      if (copy === 'discarded') resolve(undefined);
      else reject(new Error('no Dovecot'));
      await intake.drain();
      assert.deepEqual(copies, [copy]);
    });
  }

  it('does not let a delivery wait for a part that hangs, and the next ones even less', async () => {
    const { intake, kept } = intakeWith(() => new Promise(() => undefined));
    const started = performance.now();
    assert.equal(await intake.take(delivered), 'kept');
    const first = performance.now() - started;
    assert.ok(first < 2_000, `${first} ms is longer than the Lua script waits`);
    const again = performance.now();
    assert.equal(await intake.take(delivered), 'kept');
    assert.ok(performance.now() - again < first / 2);
    assert.equal(kept.length, 2);
  });

  it('refuses and holds what not even the journal takes', async () => {
    const full = new Error('disk full');
    const { intake, held } = intakeWith(() => Promise.reject(new Error('no Dovecot')), full);
    await assert.rejects(intake.take(transaction), /disk full/);
    assert.deepEqual(held, [transaction]);
  });

  it('does not let Dovecot wait for a journal that hangs: the script has the event log', async () => {
    const { intake, held } = intakeWith(() => new Promise(() => undefined), undefined, true);
    const started = performance.now();
    await assert.rejects(intake.take(transaction), /not take an event in time/);
    assert.ok(performance.now() - started < 2_000);
    assert.deepEqual(held, [], 'it may be kept yet');
  });

  it('refuses, and does not hold, what is over its user’s share', async () => {
    const failure = (): Promise<never> => Promise.reject(new Error('no Dovecot'));
    const { intake, held, overShare } = intakeWith(failure, new OverShareError());
    await assert.rejects(intake.take(transaction), OverShareError);
    assert.deepEqual([held, overShare], [[], ['over share']]);
  });

  it('counts the events that are not handled yet, whether Dovecot waits for them or not', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const { intake, kept } = intakeWith(async () => {
      sayAskingDovecot();
      await promise;
    });
    const waiting = intake.take({ ...read, events: [...read.events, ...read.events] });
    assert.equal(await intake.take(delivered), 'kept');
    assert.equal(kept.length, 1);
    assert.equal(intake.waiting(), 3);
    resolve(undefined);
    assert.equal(await waiting, 'done');
    await intake.drain();
    assert.equal(intake.waiting(), 0);
  });

  it('counts what failed no more: it waits in the journal', async () => {
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
      const { intake, kept, copies } = intakeWith(handle);
      assert.equal(await intake.take(delivered), 'kept');
      assert.deepEqual([kept, copies], [[delivered], []]);
      answer();
      await intake.drain();
      assert.deepEqual(copies, ['discarded']);
    });

    it('what fails then is handled from the journal', async () => {
      const { handle, refuse } = asking();
      const { intake, kept, copies } = intakeWith(handle);
      assert.equal(await intake.take(delivered), 'kept');
      refuse();
      await intake.drain();
      assert.deepEqual([kept, copies], [[delivered], ['released']]);
    });

    it('a delivery waits when the journal does not take it', async () => {
      const { handle, answer } = asking();
      const { intake, held } = intakeWith(handle, new Error('disk full'));
      const taking = intake.take(delivered);
      setImmediate(answer);
      assert.equal(await taking, 'done');
      assert.deepEqual(held, []);
    });

    it('a delivery that then fails is held, and nobody is told that it was taken', async () => {
      const { handle, refuse } = asking();
      const { intake, held } = intakeWith(handle, new Error('disk full'));
      const taking = intake.take(delivered);
      setImmediate(refuse);
      await assert.rejects(taking, /disk full/);
      assert.deepEqual(held, [delivered]);
    });

    it('deliveries wait when too many are under way already', async () => {
      const { handle, answer } = asking();
      const { intake, copies } = intakeWith(handle);
      for (let count = 0; count < 64; count++) await intake.take(delivered);
      const taking = intake.take(delivered);
      setImmediate(answer);
      assert.equal(await taking, 'done');
      await intake.drain();
      assert.deepEqual(copies, new Array(64).fill('discarded'));
    });

    it('a client’s command waits: its effects are there when it is answered', async () => {
      const { handle, answer } = asking();
      const { intake, kept } = intakeWith(handle);
      const taking = intake.take(read);
      setImmediate(answer);
      assert.equal(await taking, 'done');
      assert.deepEqual(kept, []);
    });

    it('but for those that come and go with mailboxes: Dovecot holds a lock that the answer needs', async () => {
      const { handle, answer } = asking();
      const { intake, kept } = intakeWith(handle);
      assert.equal(await intake.take(transaction), 'kept');
      assert.equal(kept.length, 1);
      answer();
      await intake.drain();
    });

    it('what is done before it is in the journal does not stay there', async () => {
      const { handle, answer } = asking();
      const { intake, kept, copies } = intakeWith(() => {
        answer();
        return handle();
      });
      await intake.take(delivered);
      await intake.drain();
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(copies.length, kept.length);
    });
  });
});
