import { tellWhenAskingDovecot } from '../dovecot/asking-dovecot.ts';
import { errorMessage } from '../errors.ts';
import type { Logger } from '../logging.ts';
import type { EventJournal } from '../stores/event-journal.ts';
import type { Transaction } from './event-schema.ts';
import type { Spool } from './spool.ts';

/** `done`: everything it set in motion is done or owed. `kept`: it is on disk and will be. */
export type Taken = 'done' | 'kept';

/** Takes in what Dovecot reports, within a bounded time, losing nothing. */
export interface Intake {
  /** @throws the spool's error when not even that takes it; it is held in memory then */
  take(transaction: Transaction): Promise<Taken>;
  /** Waits for what is under way. */
  drain(): Promise<void>;
  /** How many events are being handled, in the journal or while Dovecot waits. */
  waiting(): number;
}

export interface IntakeParts {
  handle: (transaction: Transaction) => Promise<void>;
  journal: Pick<EventJournal, 'keep' | 'forget'>;
  spool: Pick<Spool, 'write' | 'writeCopy'>;
  /** Keeps it in memory until the spool takes it. */
  hold: (transaction: Transaction) => void;
  /** Milliseconds since the epoch. */
  now: () => number;
  log: Logger;
}

/** Dovecot waits for us while it delivers; the Lua script gives up after two seconds. */
const BUDGET_MSECS = 750;
/** Once a part behind us hangs, deliveries do not pay for it again and again. */
const STRAINED_BUDGET_MSECS = 50;
const STRAINED_MSECS = 10_000;
/** Journalled transactions under way; past it, deliveries wait: they may not outrun us for ever. */
const MOST_JOURNALLED = 64;

type Outcome = 'done' | { failure: string };

/**
 * A transaction is handled while Dovecot waits, which makes "answered" mean "done" without writing it
 * down first. What is different:
 *
 * - A delivery does not wait for questions to Dovecot itself, which take longer than the delivery did:
 *   when the first is asked, the transaction goes to the journal, and Dovecot has its answer. Sessions
 *   of IMAP do wait: after a client's command, its effects are there.
 * - What fails goes to the spool, and is handled from there.
 * - Of what takes too long, a copy goes there, in case this process ends before it is done.
 *
 * Doing a part twice is harmless: pushes carry a dedupe key, moves search anew.
 */
export function createIntake({ handle, journal, spool, hold, now, log }: IntakeParts): Intake {
  const underWay = new Set<Promise<unknown>>();
  let journalled = 0;
  let waiting = 0;
  let strainedUntil = 0;

  async function take(transaction: Transaction): Promise<Taken> {
    const strained = performance.now() < strainedUntil;
    const asking = Promise.withResolvers<undefined>();
    waiting += transaction.events.length;
    const work = track(
      tellWhenAskingDovecot(
        () => asking.resolve(undefined),
        () => handle(transaction).then(() => 'done' as const, failed),
      ).finally(() => {
        waiting -= transaction.events.length;
      }),
    );
    const kept = mayGoOnAlone(transaction)
      ? asking.promise.then(() => keep(transaction))
      : undefined;
    const answer = kept === undefined ? work : Promise.any([work, kept]);
    const outcome = await withinBudget(answer, strained ? STRAINED_BUDGET_MSECS : BUDGET_MSECS);
    if (typeof outcome === 'number') {
      void track(goOnAlone(transaction, outcome, work));
      return 'kept';
    }
    kept?.then((id) => journal.forget(id)).catch(() => undefined); // it is kept elsewhere, or done
    if (outcome === 'done') return 'done';
    try {
      if (outcome === 'late') {
        strainedUntil = performance.now() + STRAINED_MSECS;
        if (!strained) log.warn('handling an event takes too long; a copy waits in the spool');
        await spoolCopy(transaction, work);
      } else {
        sayFailed(outcome.failure);
        await spool.write(transaction);
      }
    } catch (error) {
      hold(transaction);
      throw error;
    }
    return 'kept';
  }

  const mayGoOnAlone = ({ events }: Transaction): boolean =>
    journalled < MOST_JOURNALLED && events.every(({ event }) => event === 'MessageNew');

  /** @returns its id in the journal */
  function keep(transaction: Transaction): Promise<number> {
    const { user } = transaction;
    return journal.keep({ user, transaction: JSON.stringify(transaction), receivedAt: now() });
  }

  async function goOnAlone(
    transaction: Transaction,
    id: number,
    work: Promise<Outcome>,
  ): Promise<void> {
    journalled += 1;
    try {
      const outcome = await work;
      if (outcome !== 'done') {
        sayFailed(outcome.failure);
        await spool.write(transaction);
      }
      journal.forget(id);
    } catch {
      hold(transaction); // and it stays in the journal, should the spool not take it before the end
    } finally {
      journalled -= 1;
    }
  }

  async function spoolCopy(transaction: Transaction, work: Promise<Outcome>): Promise<void> {
    const copy = await spool.writeCopy(transaction);
    const settled = work.then((outcome) => {
      if (outcome === 'done') return copy.discard();
      sayFailed(outcome.failure);
      copy.release();
      return undefined;
    });
    void track(settled);
  }

  function sayFailed(reason: string): void {
    log.warn({ reason }, 'an event could not be handled; it stays in the spool');
  }

  function track<T>(work: Promise<T>): Promise<T> {
    underWay.add(work);
    const forget = (): void => void underWay.delete(work);
    work.then(forget, forget);
    return work;
  }

  return {
    take,
    drain: async () => {
      while (underWay.size > 0) await Promise.allSettled(underWay);
    },
    waiting: () => waiting,
  };
}

const failed = (error: unknown): Outcome => ({ failure: errorMessage(error) });

async function withinBudget<T>(work: Promise<T>, msecs: number): Promise<T | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), msecs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
