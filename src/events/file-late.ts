import type { CoiFolderNames } from '../coi/folders.ts';
import type { LocateMessages } from '../messages/locate-messages.ts';
import type { MessagePlace } from '../messages/message-place.ts';
import { firstMessageId } from '../messages/parse-message-ids.ts';
import type { MessageNewEvent } from './event-schema.ts';
import type { MoveChatMessages } from './move-chat-messages.ts';

/**
 * Files chat mail that reached INBOX though it belongs in Chats: under `active` because Sieve got no
 * answer when it was delivered, under `seen` because a script of the user's marked it as seen.
 *
 * @param receivedAt when it was reported, in milliseconds since the epoch
 */
export type FileLate = (
  user: string,
  events: readonly MessageNewEvent[],
  receivedAt: number,
) => Promise<Map<MessageNewEvent, MessagePlace>>;

/**
 * Moves the messages and looks up where they are then, so that their pushes lead to them. Messages
 * that were moved by an earlier try are found all the same; one without a Message-ID is not, and its
 * push says where it was delivered.
 *
 * @throws UnavailableError Dovecot does not answer, or Chats cannot be made
 * @throws DoveadmCommandError it refused
 */
export function createFileLate(
  locate: LocateMessages,
  { chats }: CoiFolderNames,
  move: MoveChatMessages,
): FileLate {
  return async (user, events, receivedAt) => {
    await move({ user, uids: events.map(({ uid }) => uid) });
    const places = new Map<MessageNewEvent, MessagePlace>();
    const named = events.filter((event) => firstMessageId(event.message_id) !== undefined);
    const found = await locate(
      user,
      named.map(({ message_id: messageId }) => ({ mailbox: chats, messageId })),
      receivedAt,
    );
    for (const [index, event] of named.entries()) {
      const place = found[index];
      if (place !== undefined) places.set(event, place);
    }
    return places;
  };
}
