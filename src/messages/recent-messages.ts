import { LRUCache } from 'lru-cache';

/**
 * Messages that passed the classify road a moment ago, so that their pushes need not fetch them
 * again. Bounded in octets and in time; a message that is not here any more is fetched.
 */
export interface RecentMessages {
  keep(user: string, messageId: string, message: Buffer): void;
  /** The message, which several deliveries to one user may share. */
  find(user: string, messageId: string): Buffer | undefined;
}

export interface RecentMessagesOptions {
  /** Octets of messages that are kept. */
  capacity: number;
  onLookup?: (result: 'hit' | 'miss') => void;
}

/** A delivery that takes longer has lost its place; its push fetches the message. */
const KEPT_MSECS = 60_000;

export function createRecentMessages(options: RecentMessagesOptions): RecentMessages {
  const messages = new LRUCache<string, Buffer>({
    maxSize: options.capacity,
    // One message may not drive out everything else.
    maxEntrySize: Math.max(1, Math.floor(options.capacity / 8)),
    sizeCalculation: (message) => message.length + 1,
    ttl: KEPT_MSECS,
  });
  const keyOf = (user: string, messageId: string): string => `${user}\0${messageId}`;
  return {
    keep: (user, messageId, message) => {
      messages.set(keyOf(user, messageId), message);
    },
    find: (user, messageId) => {
      const message = messages.get(keyOf(user, messageId));
      options.onLookup?.(message === undefined ? 'miss' : 'hit');
      return message;
    },
  };
}
