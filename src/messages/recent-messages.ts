import { LRUCache } from 'lru-cache';

/**
 * Messages that passed the classify road a moment ago, so that their pushes need not fetch them
 * again. Bounded in octets and in time; a message that is not here any more is fetched.
 */
export interface RecentMessages {
  keep(user: string, messageId: string, message: Buffer): void;
  /** The newest kept message of that id that `resembles` takes for the one that is meant. */
  find(user: string, messageId: string, resembles: Resembles): Buffer | undefined;
  /** The same, which goes on being there whatever `resembles` says, and does not count as a lookup. */
  peek(user: string, messageId: string, resembles: Resembles): Buffer | undefined;
  /** Lets go of all messages of a user. */
  forget(user: string): void;
}

/**
 * Whether a kept message is the one that is meant. Message-IDs are not as unique as they should be:
 * senders reuse them, and so do those who mean no good. A message that is only `likely` the one is
 * given once; several mailboxes may share one that `surely` is.
 */
export type Resembles = (kept: Buffer) => 'surely' | 'likely' | 'not';

export interface RecentMessagesOptions {
  /** Octets of messages that are kept. */
  capacity: number;
  onLookup?: (result: 'hit' | 'miss') => void;
}

/** A delivery that takes longer has lost its place; its push fetches the message. */
const KEPT_MSECS = 60_000;
/** With one Message-ID; the oldest gives way. */
const MOST_OF_ONE_ID = 8;

export function createRecentMessages(options: RecentMessagesOptions): RecentMessages {
  /** Messages of one user and Message-ID, the newest first. */
  const messages = new LRUCache<string, readonly Buffer[]>({
    maxSize: options.capacity,
    // One message may not drive out everything else.
    maxEntrySize: Math.max(1, Math.floor(options.capacity / 8)),
    sizeCalculation: (kept) => kept.reduce((sum, message) => sum + message.length, 1),
    ttl: KEPT_MSECS,
  });
  const keyOf = (user: string, messageId: string): string => `${user}\0${messageId}`;

  function find(key: string, resembles: Resembles): Buffer | undefined {
    const kept = messages.get(key) ?? [];
    for (const message of kept) {
      const answer = resembles(message);
      if (answer === 'not') continue;
      if (answer === 'likely') {
        messages.set(
          key,
          kept.filter((one) => one !== message),
        );
      }
      return message;
    }
    return undefined;
  }

  return {
    keep: (user, messageId, message) => {
      const key = keyOf(user, messageId);
      // Sieve may have asked about it twice.
      const kept = (messages.get(key) ?? []).filter((one) => !one.equals(message));
      messages.set(key, [message, ...kept].slice(0, MOST_OF_ONE_ID));
    },
    find: (user, messageId, resembles) => {
      const message = find(keyOf(user, messageId), resembles);
      options.onLookup?.(message === undefined ? 'miss' : 'hit');
      return message;
    },
    peek: (user, messageId, resembles) =>
      messages.get(keyOf(user, messageId))?.find((message) => resembles(message) !== 'not'),
    forget: (user) => {
      for (const key of messages.keys()) if (key.startsWith(keyOf(user, ''))) messages.delete(key);
    },
  };
}
