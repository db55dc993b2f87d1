import { errorMessage } from '../../errors.ts';
import type { Logger } from '../../logging.ts';
import type { OutboxStore, OwedPush } from '../../stores/outbox-store.ts';

export interface OutboxLimitParts {
  store: OutboxStore;
  log: Logger;
  /** `outbox.limit` */
  maxPushes: number;
  /** Told of what the store dropped. */
  onDropped: (push: OwedPush) => void;
}

/**
 * Keeps the outbox within its limit: those that expire first are dropped. Intake does not wait for it,
 * and only one trimming is under way at a time.
 */
export function createOutboxLimit(parts: OutboxLimitParts): (owed: number) => void {
  const { store, log, maxPushes, onDropped } = parts;
  let trimming = false;
  const trim = async (): Promise<void> => {
    const dropped = await store.trim(maxPushes);
    dropped.forEach(onDropped);
    if (dropped.length === 0) return;
    log.error(
      { dropped: dropped.length, limit: maxPushes },
      'the outbox is full: the pushes that expire first were dropped; is the network down?',
    );
  };
  return (owed) => {
    if (trimming || owed <= maxPushes) return;
    trimming = true;
    trim()
      .catch((error: unknown) => {
        log.error({ error: errorMessage(error) }, 'the outbox is full and cannot be trimmed');
      })
      .finally(() => (trimming = false));
  };
}
