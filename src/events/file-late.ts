import type { CoiFolderNames } from '../coi/folders.ts';
import type { DoveadmCommandError } from '../dovecot/doveadm-client.ts';
import { type DoveadmClient, type DoveadmRow } from '../dovecot/doveadm-client.ts';
import type { MessageNewEvent } from './event-schema.ts';
import type { MoveChatMessages } from './move-chat-messages.ts';

/** Where a delivered message is by now; where Dovecot's event said unless it was filed late. */
export interface MessagePlace {
  mailbox: string;
  uid: number;
  uidvalidity: number;
}

/** Files chat mail that reached INBOX under `active`: Sieve got no answer when it was delivered. */
export type FileLate = (
  user: string,
  events: readonly MessageNewEvent[],
) => Promise<Map<MessageNewEvent, MessagePlace>>;

/**
 * Moves the messages and looks up where they are then, so that their pushes lead to them. Messages
 * that were moved by an earlier try are found all the same; one without a Message-ID is not, and its
 * push says where it was delivered.
 *
 * @throws UnavailableError Dovecot does not answer
 * @throws DoveadmCommandError it refused, say because Chats is gone
 */
export function createFileLate(
  doveadm: DoveadmClient,
  folders: CoiFolderNames,
  move: MoveChatMessages,
): FileLate {
  return async (user, events) => {
    await move({ user, uids: events.map(({ uid }) => uid) });
    const named = events.filter(({ message_id: id }) => id !== undefined && id !== '');
    const places = new Map<MessageNewEvent, MessagePlace>();
    if (named.length === 0) return places;
    const [status, ...found] = await doveadm.runAll([
      {
        name: 'mailboxStatus',
        parameters: { user, field: ['uidvalidity'], mailboxMask: [folders.chats] },
      },
      ...named.map(({ message_id: id = '' }) => ({
        name: 'fetch',
        parameters: {
          user,
          field: ['uid'],
          query: ['mailbox', folders.chats, 'header', 'message-id', id],
        },
      })),
    ]);
    const uidvalidity = Number(rowsOf(status)[0]?.['uidvalidity']);
    for (const [index, event] of named.entries()) {
      const uid = Math.max(0, ...rowsOf(found[index]).map((row) => Number(row['uid'])));
      if (uid > 0 && uidvalidity > 0) {
        places.set(event, { mailbox: folders.chats, uid, uidvalidity });
      }
    }
    return places;
  };
}

const rowsOf = (answer: DoveadmRow[] | DoveadmCommandError | undefined): DoveadmRow[] =>
  Array.isArray(answer) ? answer : [];
