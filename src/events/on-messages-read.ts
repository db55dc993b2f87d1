import type { CoiSettings } from '../coi/settings.ts';
import type { DovecotEvent } from './event-schema.ts';
import type { InboxChat } from './inbox-chat.ts';
import { CHAT_KEYWORD, type MoveChatMessages } from './move-chat-messages.ts';

export interface MessagesReadParts {
  move: MoveChatMessages;
  inboxChat: Pick<InboxChat, 'mayBeThere'>;
}

/**
 * `message-filter: seen` (coi-server-spec, "Configure Message Filtering"): chat messages leave INBOX
 * for Chats when they are seen, all of one transaction together. So they do under `active`: what came
 * before the filter was changed may have waited for it. Mostly nothing has, and Dovecot is not asked.
 *
 * A client may set `\Seen` by replacing all flags, which takes `$Chat` away in the same transaction;
 * such a message is still a chat message, and gets its keyword back before it is moved. Taking away
 * `$Chat` alone is the user's decision and stays.
 */
export async function onMessagesRead(
  user: string,
  events: readonly DovecotEvent[],
  settings: CoiSettings,
  { move, inboxChat }: MessagesReadParts,
): Promise<number> {
  if (!settings.enabled || settings.messageFilter === 'none') return 0;
  const inInbox = events.filter((event) => event.mailbox.toUpperCase() === 'INBOX');
  const uids = inInbox.filter((event) => event.event === 'MessageRead').map((event) => event.uid);
  if (uids.length === 0) return 0;
  const read = new Set(uids);
  const restoreKeyword = inInbox
    .filter((event) => event.event === 'FlagsClear')
    .filter((event) => event.keywords.some(isChatKeyword) && read.has(event.uid))
    .map((event) => event.uid);
  const mayWait = settings.messageFilter === 'seen' || restoreKeyword.length > 0;
  if (!mayWait && !(await inboxChat.mayBeThere(user))) return 0;
  await move({ user, uids, restoreKeyword });
  return uids.length;
}

/** Keywords are case-insensitive in IMAP (RFC 3501 section 2.3.2). */
export const isChatKeyword = (keyword: string): boolean =>
  keyword.toLowerCase() === CHAT_KEYWORD.toLowerCase();
