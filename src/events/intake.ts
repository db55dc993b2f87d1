import { tellWhenAskingDovecot } from '../dovecot/asking-dovecot.ts';
import { isNoSuchUser } from '../dovecot/doveadm-client.ts';
import { errorMessage, UnavailableError } from '../errors.ts';
import type { Logger } from '../logging.ts';
import { OverShareError } from '../stores/over-share-error.ts';
import { isMailboxEvent, type Transaction } from './event-schema.ts';
import type { JournalWorker } from './journal-worker.ts';

/** `done`: everything it set in motion is done or owed. `kept`: it is on disk and will be. */
export type Taken = 'done' | 'kept';

/** Takes in what Dovecot reports, within a bounded time, losing nothing. */
export interface Intake {
  /**
   * @throws the journal's error when not even that takes it, or not in time; it is held in memory then, unless as many
   *   wait for its user as may
   */
  take(transaction: Transaction): Promise<Taken>;
  /** Waits for what is under way. */
  drain(): Promise<void>;
  /** How many events are being handled, in the journal or while Dovecot waits. */
  waiting(): number;
}

export interface IntakeParts {
  handle: (transaction: Transaction) => Promise<void>;
  journal: Pick<JournalWorker, 'writeCopy'>;
  /** Keeps it in memory until the journal takes it. */
  hold: (transaction: Transaction) => void;
  log: Logger;
  onOverShare?: () => void;
}

/** Dovecot waits for us while it delivers; the Lua script gives up after two seconds. */
const BUDGET_MSECS = 750;
/** Once a part behind us hangs, deliveries do not pay for it again and again. Clients' commands do. */
const STRAINED_BUDGET_MSECS = 50;
const STRAINED_MSECS = 10_000;
/** The journal has this on top; past it, the script had better write to the event log. */
const KEEP_MSECS = 400;
/** Kept transactions under way; past it, deliveries wait: they may not outrun us for ever. */
const MOST_GOING_ON_ALONE = 64;

type Outcome = 'done' | { failure: string; isFinal: boolean };

/**
 * A transaction is handled while Dovecot waits, which makes "answered" mean "done" without writing it
 * down first. What is different goes to the journal:
 *
 * - A delivery does not wait for questions to Dovecot itself, which take longer than the delivery did:
 *   when the first is asked, the transaction is kept, and Dovecot has its answer. So it is with CREATE,
 *   DELETE and RENAME: Dovecot holds a lock meanwhile that those questions would wait for. Other
 *   commands of clients do wait: after them, their effects are there.
 * - What takes too long is kept as well, in case this process ends before it is done.
 * - What fails is kept, and is handled from there; but for what is told of a user whom Dovecot does not know.
 *
 * Doing a part twice is harmless: pushes carry a dedupe key, moves search anew.
 */
export function createIntake(parts: IntakeParts): Intake {
  const { handle, journal, hold, log } = parts;
  const underWay = new Set<Promise<unknown>>();
  let alone = 0;
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
    let keeping: Promise<'kept'> | undefined;
    const keepOnce = (): Promise<'kept'> => (keeping ??= keepCopy(transaction, work));
    const kept = mayGoOnAlone(transaction)
      ? asking.promise.then(() => {
          goOnAlone(work);
          return keepOnce();
        })
      : undefined;
    // Then Dovecot waits for the work, and what comes of it is kept.
    kept?.catch(() => (keeping = undefined));
    const answer = kept === undefined ? work : Promise.any([work, kept]);
    const isHurried = strained && transaction.events.every(({ event }) => event === 'MessageNew');
    const outcome = await withinBudget(answer, isHurried ? STRAINED_BUDGET_MSECS : BUDGET_MSECS);
    if (outcome === 'done' || outcome === 'kept') return outcome;
    if (outcome === 'late') {
      strainedUntil = performance.now() + STRAINED_MSECS;
      if (!strained)
        log.warn('handling an event takes too long; it goes on without being waited for');
    }
    const keep = keepOnce().catch((error: unknown) => {
      if (error instanceof OverShareError) parts.onOverShare?.();
      else hold(transaction);
      throw error;
    });
    if ((await withinBudget(keep, KEEP_MSECS)) === 'kept') return 'kept';
    keep.catch(() => undefined);
    throw new UnavailableError('the outbox does not take an event in time: see /readyz');
  }

  const mayGoOnAlone = ({ events }: Transaction): boolean =>
    alone < MOST_GOING_ON_ALONE &&
    events.every((event) => event.event === 'MessageNew' || isMailboxEvent(event));

  function goOnAlone(work: Promise<Outcome>): void {
    alone += 1;
    void work.finally(() => (alone -= 1));
  }

  /** Once it is on disk, whatever comes of the work is seen to. */
  async function keepCopy(transaction: Transaction, work: Promise<Outcome>): Promise<'kept'> {
    const copy = await track(journal.writeCopy(transaction));
    const settled = work.then((outcome) => {
      if (outcome === 'done') return copy.discard();
      if (outcome.isFinal) return copy.refuse(outcome.failure);
      log.warn(
        { reason: outcome.failure },
        'an event could not be handled; it stays in the journal',
      );
      copy.release();
      return undefined;
    });
    void track(settled);
    return 'kept';
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

const failed = (error: unknown): Outcome => ({
  failure: errorMessage(error),
  isFinal: isNoSuchUser(error),
});

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
