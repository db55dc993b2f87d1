import { LRUCache } from 'lru-cache';
import type { Folders } from './folders.ts';

/** Makes Chats where it is missing though COI is enabled. */
export interface RestoreChats {
  /** @throws UnavailableError it could not be made */
  restore: (user: string) => Promise<void>;
  /** Whether that was done a while ago, so that a DELETE from before may be reported yet; true once. */
  takeRestored: (user: string) => boolean;
}

const MOST_USERS = 10_000;
/** Longer than reports wait once the sidecar is back. */
const REMEMBERED_MSECS = 60 * 60_000;

export function createRestoreChats(folders: Folders): RestoreChats {
  const restored = new LRUCache<string, true>({ max: MOST_USERS, ttl: REMEMBERED_MSECS });
  return {
    restore: async (user) => {
      await folders.ensure(user, [folders.names.chats]);
      restored.set(user, true);
    },
    takeRestored: (user) => restored.delete(user),
  };
}
