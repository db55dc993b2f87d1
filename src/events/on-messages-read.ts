import type { CoiSettings } from '../coi/settings.ts';
import { type DovecotEvent, isChatKeyword } from './event-schema.ts';
import type { InboxChat } from './inbox-chat.ts';
import type { MoveChatMessages } from './move-chat-messages.ts';

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
 *
 * What somebody else has read, to whom the user shares INBOX, is moved if the user sees its `\Seen`: a site
 * may give everybody flags of their own. However often somebody reads, Dovecot is asked for it only where
 * there may be chat.
 */
export async function onMessagesRead(
  user: string,
  events: readonly DovecotEvent[],
  settings: CoiSettings,
  { move, inboxChat }: MessagesReadParts,
): Promise<number> {
  if (!settings.enabled) return 0;
  const inInbox = events.filter((event) => event.mailbox.toUpperCase() === 'INBOX');
  const reads = inInbox.filter((event) => event.event === 'MessageRead');
  const seenOnly = reads.some(({ shared = false }) => shared);
  const read = reads.map((event) => event.uid);
  const justRead = new Set(read);
  const restoreKeyword = inInbox
    .filter((event) => event.event === 'FlagsClear')
    .filter(({ keywords, replaced = false, uid }) => {
      const isLost = replaced || justRead.has(uid);
      return isLost && keywords.some(isChatKeyword);
    })
    .map((event) => event.uid);
  const uids = settings.messageFilter === 'none' ? [] : read;
  const isMostlyVain = settings.messageFilter === 'active' || seenOnly;
  if (restoreKeyword.length > 0) inboxChat.noteDelivered(user);
  else if (uids.length === 0) return 0;
  else if (isMostlyVain && !(await inboxChat.mayBeThere(user))) return 0;
  await move({
    user,
    uids,
    restoreKeyword: [...new Set(restoreKeyword)],
    ...(seenOnly && { seenOnly }),
  });
  return uids.length;
}
