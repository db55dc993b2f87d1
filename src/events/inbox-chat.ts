import { LRUCache } from 'lru-cache';
import { DoveadmCommandError, EXIT_CODES, type DoveadmClient } from '../dovecot/doveadm-client.ts';
import { CHAT_KEYWORD } from './event-schema.ts';

/**
 * Whose INBOX holds chat messages: few of those who have theirs filed at once. So that Dovecot need
 * not be asked each time that somebody reads mail.
 */
export interface InboxChat {
  /**
   * @throws UnavailableError Dovecot does not answer
   * @throws DoveadmCommandError it refused
   */
  mayBeThere: (user: string) => Promise<boolean>;
  /** A chat message was delivered there. */
  noteDelivered: (user: string) => void;
}

const MOST_USERS = 50_000;
/** What comes by other ways than delivery, say by dsync, is seen after this at the latest. */
const KNOWN_MSECS = 10 * 60_000;

export function createInboxChat(doveadm: DoveadmClient): InboxChat {
  const without = new LRUCache<string, true>({ max: MOST_USERS, ttl: KNOWN_MSECS });
  const asking = new Map<string, Promise<boolean>>();

  async function ask(user: string): Promise<boolean> {
    const query = ['mailbox', 'INBOX', 'keyword', CHAT_KEYWORD];
    try {
      const rows = await doveadm.run({
        name: 'fetch',
        parameters: { user, field: ['uid'], query },
      });
      return rows.length > 0;
    } catch (error) {
      const isMissing =
        error instanceof DoveadmCommandError && error.exitCode === EXIT_CODES.notFound;
      if (isMissing) return false;
      throw error;
    }
  }

  return {
    mayBeThere: async (user) => {
      if (without.has(user)) return false;
      const answer = asking.get(user) ?? ask(user);
      asking.set(user, answer);
      try {
        const isThere = await answer;
        // Else one was delivered while Dovecot was asked.
        if (!isThere && asking.get(user) === answer) without.set(user, true);
        return isThere;
      } finally {
        if (asking.get(user) === answer) asking.delete(user);
      }
    },
    noteDelivered: (user) => {
      without.delete(user);
      asking.delete(user);
    },
  };
}
