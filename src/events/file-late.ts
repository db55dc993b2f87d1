import type { CoiFolderNames } from '../coi/folders.ts';
import type { ListMessages } from '../messages/list-messages.ts';
import type { MessageNewEvent } from './event-schema.ts';
import { newestOf, type MessagePlace } from '../messages/message-place.ts';
import type { MoveChatMessages } from './move-chat-messages.ts';

/**
 * Files chat mail that reached INBOX though it belongs in Chats: under `active` because Sieve got no
 * answer when it was delivered, under `seen` because a script of the user's marked it as seen.
 */
export type FileLate = (
  user: string,
  events: readonly MessageNewEvent[],
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
  list: ListMessages,
  { chats }: CoiFolderNames,
  move: MoveChatMessages,
): FileLate {
  return async (user, events) => {
    await move({ user, uids: events.map(({ uid }) => uid) });
    const places = new Map<MessageNewEvent, MessagePlace>();
    const named = events.filter(({ message_id: id }) => id !== undefined && id !== '');
    const listings = await list(
      user,
      named.map(({ message_id: id = '' }) => ({
        mailbox: chats,
        criteria: ['header', 'message-id', id],
      })),
    );
    for (const [index, event] of named.entries()) {
      const place = listings[index] && newestOf(listings[index]);
      if (place !== undefined) places.set(event, place);
    }
    return places;
  };
}
