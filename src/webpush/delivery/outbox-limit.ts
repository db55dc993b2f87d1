import { errorMessage } from '../../errors.ts';
import type { Logger } from '../../logging.ts';
import type { OutboxStore } from '../../stores/outbox-store.ts';
import type { QueuedPush } from './lane.ts';
import type { PushQueue } from './push-queue.ts';

/** Pushes that the store is told to let go of at once. */
const AT_A_TIME = 1_000;
/** Drops in between are counted. */
const SAY_EVERY_MSECS = 60_000;

export interface OutboxLimitParts {
  store: OutboxStore;
  queue: PushQueue;
  log: Logger;
  /** `outbox.limit` */
  maxPushes: number;
  /** Monotonic milliseconds. */
  monotonic: () => number;
  /** Told of what the store dropped; it is owed no longer. */
  onDropped: (id: number) => void;
}

/**
 * Keeps the outbox within its limit: whoever owes most loses first, and of that user's pushes those that
 * have been owed the longest. So nobody's flood costs others anything: who owes no more than the limit
 * divided by the users that owe something loses nothing.
 *
 * To be called when pushes came in; intake does not wait for it, and only one trimming is under way at a
 * time.
 */
export function createOutboxLimit(parts: OutboxLimitParts): () => void {
  const { store, queue, log, maxPushes, monotonic, onDropped } = parts;
  let trimming = false;
  let dropped = 0;
  let saidAt = -Infinity;

  async function trim(): Promise<void> {
    trimming = true;
    try {
      // More may come in while the store is at work.
      while (queue.size > maxPushes) {
        const pushes = queue.chooseHeaviest(Math.min(queue.size - maxPushes, AT_A_TIME));
        const [heaviest] = pushes;
        if (heaviest === undefined) return;
        await drop(pushes);
        dropped += pushes.length;
        sayRarely(heaviest.lane.user);
      }
    } catch (error) {
      log.error({ error: errorMessage(error) }, 'the outbox is full and cannot be trimmed');
    } finally {
      trimming = false;
    }
  }

  async function drop(pushes: readonly QueuedPush[]): Promise<void> {
    try {
      await store.settle(pushes.map(({ id }) => id));
    } catch (error) {
      queue.spare(pushes);
      throw error;
    }
    for (const { id, removed } of pushes) if (!removed) onDropped(id);
  }

  function sayRarely(user: string): void {
    if (monotonic() - saidAt < SAY_EVERY_MSECS) return;
    saidAt = monotonic();
    log.error(
      { dropped, limit: maxPushes, user },
      'the outbox is full: the oldest pushes of the users who are owed most were dropped; is the ' +
        'network down, or does this user get floods of mail?',
    );
    dropped = 0;
  }

  return () => {
    if (!trimming && queue.size > maxPushes) void trim();
  };
}
