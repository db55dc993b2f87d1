import { errorMessage } from '../errors.ts';
import type { Logger } from '../logging.ts';
import type { Transaction } from './event-schema.ts';
import type { Spool } from './spool.ts';

/** `done`: everything it set in motion is done or owed. `spooled`: it is on disk and will be. */
export type Taken = 'done' | 'spooled';

/** Takes in what Dovecot reports, within a bounded time, losing nothing. */
export interface Intake {
  /** @throws the spool's error when not even that takes it; it is held in memory then */
  take(transaction: Transaction): Promise<Taken>;
  /** Waits for what is under way. */
  drain(): Promise<void>;
}

export interface IntakeParts {
  handle: (transaction: Transaction) => Promise<void>;
  spool: Pick<Spool, 'write' | 'writeCopy'>;
  /** Keeps it in memory until the spool takes it. */
  hold: (transaction: Transaction) => void;
  log: Logger;
}

/** Dovecot waits for us while it delivers; the Lua script gives up after two seconds. */
const BUDGET_MSECS = 750;
/** Once a part behind us hangs, deliveries do not pay for it again and again. */
const STRAINED_BUDGET_MSECS = 50;
const STRAINED_MSECS = 10_000;

/**
 * A transaction is handled while Dovecot waits, which makes "answered" mean "done" without a journal.
 * If that fails, the transaction goes to the spool and is handled from there. If it takes too long, a
 * copy goes there, in case this process ends before it is done; doing a part twice is harmless
 * (pushes carry a dedupe key, moves search anew).
 */
export function createIntake({ handle, spool, hold, log }: IntakeParts): Intake {
  const underWay = new Set<Promise<unknown>>();
  let strainedUntil = 0;

  async function take(transaction: Transaction): Promise<Taken> {
    const strained = performance.now() < strainedUntil;
    const work = track(handle(transaction).then(() => 'done' as const));
    const outcome = await withinBudget(work, strained ? STRAINED_BUDGET_MSECS : BUDGET_MSECS);
    if (outcome === 'done') return 'done';
    try {
      if (outcome === 'late') {
        strainedUntil = performance.now() + STRAINED_MSECS;
        if (!strained) log.warn('handling an event takes too long; a copy waits in the spool');
        await spoolCopy(transaction, work);
      } else {
        sayFailed(outcome.reason);
        await spool.write(transaction);
      }
    } catch (error) {
      hold(transaction);
      throw error;
    }
    return 'spooled';
  }

  async function spoolCopy(transaction: Transaction, work: Promise<unknown>): Promise<void> {
    const copy = await spool.writeCopy(transaction);
    const settled = work.then(
      () => copy.discard(),
      (error: unknown) => {
        sayFailed(errorMessage(error));
        copy.release();
      },
    );
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
  };
}

function withinBudget(
  work: Promise<'done'>,
  msecs: number,
): Promise<'done' | 'late' | { reason: string }> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, msecs, 'late');
    const settle = (outcome: 'done' | { reason: string }): void => {
      clearTimeout(timer);
      resolve(outcome);
    };
    work.then(settle, (error: unknown) => settle({ reason: errorMessage(error) }));
  });
}
