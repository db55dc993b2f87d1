import type { CoiSettings } from '../coi/settings.ts';
import type { DovecotEvent } from './event-schema.ts';
import type { InboxChat } from './inbox-chat.ts';
import { CHAT_KEYWORD, type MoveChatMessages } from './move-chat-messages.ts';

export interface MessagesReadParts {
  move: MoveChatMessages;
  inboxChat: InboxChat;
}

/**
 * `message-filter: seen` (coi-server-spec, "Configure Message Filtering"): chat messages leave INBOX
 * for Chats when they are seen, all of one transaction together. So they do under `active`: what came
 * before the filter was changed may have waited for it. Mostly nothing has, and Dovecot is not asked.
 *
 * A client may set `\Seen`, or another flag, by replacing all flags, which takes `$Chat` away in the same
 * transaction; such a message is still a chat message, and gets its keyword back, before it is moved if
 * it is. Taking away `$Chat` alone is the user's decision and stays.
 */
export async function onMessagesRead(
  user: string,
  events: readonly DovecotEvent[],
  settings: CoiSettings,
  { move, inboxChat }: MessagesReadParts,
): Promise<number> {
  if (!settings.enabled) return 0;
  const inInbox = events.filter((event) => event.mailbox.toUpperCase() === 'INBOX');
  const read = inInbox.filter((event) => event.event === 'MessageRead').map((event) => event.uid);
  const justRead = new Set(read);
  const restoreKeyword = inInbox
    .filter((event) => event.event === 'FlagsClear')
    .filter(({ keywords, replaced = false, uid }) => {
      const isLost = replaced || justRead.has(uid);
      return isLost && keywords.some(isChatKeyword);
    })
    .map((event) => event.uid);
  const uids = settings.messageFilter === 'none' ? [] : read;
  if (restoreKeyword.length > 0) inboxChat.noteDelivered(user);
  else if (uids.length === 0) return 0;
  else if (settings.messageFilter === 'active' && !(await inboxChat.mayBeThere(user))) return 0;
  await move({ user, uids, restoreKeyword: [...new Set(restoreKeyword)] });
  return uids.length;
}

/** Keywords are case-insensitive in IMAP (RFC 3501 section 2.3.2). */
export const isChatKeyword = (keyword: string): boolean =>
  keyword.toLowerCase() === CHAT_KEYWORD.toLowerCase();
