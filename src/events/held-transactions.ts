import { errorMessage } from '../errors.ts';
import type { Logger } from '../logging.ts';
import type { Transaction } from './event-schema.ts';
import { OverShareError } from '../stores/over-share-error.ts';
import type { JournalWorker } from './journal-worker.ts';

export interface HeldTransactionsParts {
  journal: Pick<JournalWorker, 'write'>;
  log: Logger;
  /** Milliseconds between two tries to write them down. */
  retryInterval?: number;
  /** Octets of memory; past it, the oldest are given up. */
  capacity?: number;
}

/** Transactions that neither could be handled nor kept, in memory until the journal takes them. */
export interface HeldTransactions {
  hold(transaction: Transaction): void;
  /** Tries once more; what is left then is lost, and said to be. */
  stop(): Promise<void>;
}

const RETRY_MSECS = 2_000;
const CAPACITY = 16 * 1_048_576;

/**
 * The last resort, say for a disk that is full. The sender was told that nobody took the transaction;
 * should it have kept it all the same, doing it twice is harmless.
 */
export function createHeldTransactions(parts: HeldTransactionsParts): HeldTransactions {
  const { journal, log, retryInterval = RETRY_MSECS, capacity = CAPACITY } = parts;
  const held: { transaction: Transaction; octets: number }[] = [];
  let octets = 0;
  let timer: NodeJS.Timeout | undefined;
  let retrying: Promise<void> | undefined;
  let stopped = false;

  function drop(): void {
    octets -= held.shift()?.octets ?? 0;
  }

  async function writeAll(): Promise<void> {
    for (let first = held[0]; first !== undefined; first = held[0]) {
      await journal.write(first.transaction).catch((error: unknown) => {
        if (!(error instanceof OverShareError)) throw error;
        log.error('too many events wait for a user; one that was held in memory is given up');
      });
      if (held[0] === first) drop();
    }
    log.info('the journal takes events again; none is held in memory any more');
  }

  function retryLater(): void {
    if (stopped) return;
    timer ??= setTimeout(() => {
      retrying = writeAll()
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
        log.error('events are held in memory, since the outbox does not take them: see /readyz');
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
      await writeAll().catch((error: unknown) => {
        const reason = errorMessage(error);
        log.error(
          { transactions: held.length, reason },
          'events that were held in memory are lost',
        );
      });
    },
  };
}
