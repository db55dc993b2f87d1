import { errorMessage } from '../../errors.ts';
import type { Logger } from '../../logging.ts';
import type { OutboxStore, OwedPush } from '../../stores/outbox-store.ts';

export interface OutboxLimitParts {
  store: OutboxStore;
  log: Logger;
  /** `outbox.limit` */
  maxPushes: number;
  /** How many pushes are owed now. */
  owed: () => number;
  /** Told of what the store dropped; they are owed no longer. */
  onDropped: (push: OwedPush) => void;
}

/**
 * Keeps the outbox within its limit: those that expire first are dropped. To be called when pushes came
 * in; intake does not wait for it, and only one trimming is under way at a time.
 */
export function createOutboxLimit(parts: OutboxLimitParts): () => void {
  const { store, log, maxPushes, owed, onDropped } = parts;
  let trimming = false;
  const trim = async (): Promise<void> => {
    trimming = true;
    try {
      // More may come in while the store is at work.
      while (owed() > maxPushes) {
        const dropped = await store.trim(maxPushes);
        if (dropped.length === 0) return;
        dropped.forEach(onDropped);
        log.error(
          { dropped: dropped.length, limit: maxPushes },
          'the outbox is full: the pushes that expire first were dropped; is the network down?',
        );
      }
    } catch (error) {
      log.error({ error: errorMessage(error) }, 'the outbox is full and cannot be trimmed');
    } finally {
      trimming = false;
    }
  };
  return () => {
    if (!trimming && owed() > maxPushes) void trim();
  };
}
