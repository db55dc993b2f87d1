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
  | { action: 'file'; mailbox: string }
  /** From a blocked contact, for this mailbox: the user's own rules do not run. */
  | { action: 'block'; mailbox: string };

export const ACTIONS = [
  'keep',
  'flag',
  'file',
  'block',
] as const satisfies Classification['action'][];

export interface ClassifierParts {
  /** The user's settings, as current as the source of metadata can tell. */
  settings: (user: string) => Promise<CoiSettings>;
  /** Whether the user does not want to hear from whoever the From fields name; false if it cannot be said soon. */
  isBlocked: (user: string, from: readonly string[]) => Promise<boolean>;
  folders: CoiFolderNames;
  recent: RecentMessages;
  examine: (message: Buffer) => ExaminedMessage;
  /** Told of each message that Sieve is about to file. */
  onFile?: (user: string, mailbox: string, messageId: string) => void;
}

export type Classify = (user: string, message: Buffer) => Promise<Classification>;

/**
 * Classifies one message before it is stored (coi-server-spec, "Configure Message Filtering";
 * coi-client-spec, "Blocking Contacts"), and keeps it for its pushes: they come a moment later and
 * want the body.
 *
 * Whatever is asked about is judged, so that an administrator may have Sieve show more than chat.
 */
export function createClassify(parts: ClassifierParts): Classify {
  const { settings, isBlocked, folders, recent, examine } = parts;
  return async (user, message) => {
    const { isChat, messageId, from } = examine(message);
    const { enabled, messageFilter } = await settings(user);
    if (enabled && (await isBlocked(user, from))) {
      return { action: 'block', mailbox: folders.blocked };
    }
    if (messageId !== undefined) recent.keep(user, messageId, message);
    if (!isChat || !enabled) return { action: 'keep' };
    if (messageFilter !== 'active') return { action: 'flag' };
    if (messageId !== undefined) parts.onFile?.(user, folders.chats, messageId);
    return { action: 'file', mailbox: folders.chats };
  };
}

/** The one line that `dovecot-conf/sieve/coi.sieve` understands. */
export const formatClassification = (classification: Classification): string =>
  'mailbox' in classification
    ? `${classification.action} ${classification.mailbox}`
    : classification.action;
