import type { RecentMessages } from '../messages/recent-messages.ts';
import type { ExaminedMessage } from './examine-message.ts';
import type { CoiFolderNames } from './folders.ts';
import type { CoiSettings } from './settings.ts';

/** What Sieve is to do with a message that has yet to be stored. */
export type Classification =
  /** Not a chat message, or COI is not enabled: nothing. */
  | { action: 'keep' }
  /** A chat message that stays where the user's own rules put it: `$Chat`. */
  | { action: 'flag' }
  /** A chat message for this mailbox: `$Chat`, and the user's own rules do not run. */
  | { action: 'file'; mailbox: string };

export interface ClassifierParts {
  /** The user's settings, as current as the source of metadata can tell. */
  settings: (user: string) => Promise<CoiSettings>;
  folders: CoiFolderNames;
  recent: RecentMessages;
  examine: (message: Buffer) => ExaminedMessage;
  /** Told of each message that Sieve is about to file. */
  onFile?: (user: string, mailbox: string, messageId: string) => void;
}

export type Classify = (user: string, message: Buffer) => Promise<Classification>;

/**
 * Classifies one message before it is stored (coi-server-spec, "Configure Message Filtering"), and
 * keeps it for its pushes: they come a moment later and want the body.
 */
export function createClassify(parts: ClassifierParts): Classify {
  const { settings, folders, recent, examine } = parts;
  return async (user, message) => {
    const { isChat, messageId } = examine(message);
    // Other mail as well, where the administrator lets coi.sieve show all of it.
    if (messageId !== undefined) recent.keep(user, messageId, message);
    if (!isChat) return { action: 'keep' };
    const { enabled, messageFilter } = await settings(user);
    if (!enabled) return { action: 'keep' };
    if (messageFilter !== 'active') return { action: 'flag' };
    if (messageId !== undefined) parts.onFile?.(user, folders.chats, messageId);
    return { action: 'file', mailbox: folders.chats };
  };
}

/** The one line that `dovecot-conf/sieve/coi.sieve` understands. */
export const formatClassification = (classification: Classification): string =>
  classification.action === 'file' ? `file ${classification.mailbox}` : classification.action;
