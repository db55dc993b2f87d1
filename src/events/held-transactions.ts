import { errorMessage } from '../errors.ts';
import type { Logger } from '../logging.ts';
import type { Transaction } from './event-schema.ts';
import type { Spool } from './spool.ts';

export interface HeldTransactionsParts {
  spool: Pick<Spool, 'write'>;
  log: Logger;
  /** Milliseconds between two tries to spool them. */
  retryInterval?: number;
  /** Octets of memory; past it, the oldest are given up. */
  capacity?: number;
}

/** Transactions that neither could be handled nor spooled, in memory until the spool takes them. */
export interface HeldTransactions {
  hold(transaction: Transaction): void;
  /** Tries once more; what is left then is lost, and said to be. */
  stop(): Promise<void>;
}

const RETRY_MSECS = 2_000;
const CAPACITY = 16 * 1_048_576;

/**
 * The last resort, say for a disk that is full for outbox and spool alike. The sender was told that
 * nobody took the transaction; should it have kept it all the same, doing it twice is harmless.
 */
export function createHeldTransactions(parts: HeldTransactionsParts): HeldTransactions {
  const { spool, log, retryInterval = RETRY_MSECS, capacity = CAPACITY } = parts;
  const held: { transaction: Transaction; octets: number }[] = [];
  let octets = 0;
  let timer: NodeJS.Timeout | undefined;
  let retrying: Promise<void> | undefined;
  let stopped = false;

  function drop(): void {
    octets -= held.shift()?.octets ?? 0;
  }

  async function spoolAll(): Promise<void> {
    for (let first = held[0]; first !== undefined; first = held[0]) {
      await spool.write(first.transaction);
      if (held[0] === first) drop();
    }
    log.info('the spool takes events again; none is held in memory any more');
  }

  function retryLater(): void {
    if (stopped) return;
    timer ??= setTimeout(() => {
      retrying = spoolAll()
        .catch(() => undefined) // said when it began
        .finally(() => {
          timer = undefined;
          if (held.length > 0) retryLater();
        });
    }, retryInterval);
  }

  return {
    hold: (transaction) => {
      if (held.length === 0) {
        log.error(
          'events are held in memory, since neither outbox nor spool takes them: see /readyz',
        );
      }
      const size = 2 * JSON.stringify(transaction).length;
      held.push({ transaction, octets: size });
      octets += size;
      while (octets > capacity && held.length > 1) {
        drop();
        log.error('too many events are held in memory; the oldest is given up');
      }
      retryLater();
    },
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await retrying;
      if (held.length === 0) return;
      await spoolAll().catch((error: unknown) => {
        const reason = errorMessage(error);
        log.error(
          { transactions: held.length, reason },
          'events that were held in memory are lost',
        );
      });
    },
  };
}
