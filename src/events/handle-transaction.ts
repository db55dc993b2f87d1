import type { CoiSettings } from '../coi/settings.ts';
import { DoveadmCommandError } from '../dovecot/doveadm-client.ts';
import type { CompleteEvents } from './ox-road/complete-events.ts';
import {
  type DeliveryContext,
  type DovecotEvent,
  isChatKeyword,
  isMailboxEvent,
  type MailboxEvent,
  type MessageNewEvent,
  type Transaction,
} from './event-schema.ts';
import type { FileLate } from './file-late.ts';
import type { InboxChat } from './inbox-chat.ts';
import type { MarkChat } from './mark-chat.ts';
import type { MessagePlace } from '../messages/message-place.ts';
import type { MoveChatMessages } from './move-chat-messages.ts';
import { onMessagesRead } from './on-messages-read.ts';
import type { Delivered } from './on-new-messages.ts';
import type { SetBlockedAside } from './set-blocked-aside.ts';
import { trimEvent } from './trim-event.ts';

export interface TransactionParts {
  /** The user's settings, as current as the source of metadata can tell. */
  settings: (user: string) => Promise<CoiSettings>;
  move: MoveChatMessages;
  inboxChat: InboxChat;
  complete: CompleteEvents;
  markChat: MarkChat;
  setBlockedAside: SetBlockedAside;
  fileLate: FileLate;
  onNewMessages: (
    user: string,
    deliveries: readonly Delivered[],
    context: DeliveryContext,
  ) => Promise<void>;
  /** Whether the sidecar itself did this, through doveadm. */
  isOwn: (user: string, event: MailboxEvent) => boolean;
  onMailboxEvent: (user: string, event: MailboxEvent, isLive: boolean) => Promise<void>;
  /** They have changed, or may have. */
  onContactsChanged: (user: string) => void;
  onEvent?: (event: DovecotEvent['event']) => void;
  onMoved?: (reason: Exclude<MoveReason, 'blocked'>, count: number) => void;
}

/** Why chat messages are moved after their delivery. */
export const MOVE_REASONS = ['late', 'seen', 'blocked'] as const;
export type MoveReason = (typeof MOVE_REASONS)[number];

/**
 * @param receivedAt milliseconds since the epoch
 * @param isLive Dovecot waits: what the transaction tells of has just happened
 */
export type HandleTransaction = (
  transaction: Transaction,
  receivedAt: number,
  isLive?: boolean,
) => Promise<void>;

/** Lets everything happen that the events of one Dovecot transaction set in motion. */
export function createHandleTransaction(parts: TransactionParts): HandleTransaction {
  return async ({ user, service, session, events }, receivedAt, isLive = false) => {
    for (const { event } of events) parts.onEvent?.(event);
    if (events.some(concernsContacts)) parts.onContactsChanged(user);
    // Mailbox events first: they may change the settings that the others are judged by.
    for (const event of events.filter(isMailboxEvent)) {
      if (service === 'doveadm' && parts.isOwn(user, event)) continue;
      await parts.onMailboxEvent(user, event, isLive);
    }

    const settings = await parts.settings(user);
    // Dovecot hands messages over in the order of a hash table.
    const reported = events
      .filter((event) => event.event === 'MessageNew')
      .toSorted((one, other) => one.uid - other.uid);
    const completed = await parts.complete(user, reported, settings, receivedAt);
    const trimmed = completed.map(trimEvent);
    const context = { session, receivedAt };
    const marked = await parts.markChat(user, trimmed, settings, context);
    const delivered = await withoutBlocked(user, marked, settings, receivedAt);
    if (delivered.length > 0) {
      const places = await fileLate(user, delivered, settings, receivedAt).catch(refusalOf);
      const filed = places instanceof Error ? NOWHERE : places;
      const deliveries = delivered.map((event) => ({ event, place: filed.get(event) ?? event }));
      await parts.onNewMessages(user, deliveries, context);
      // The push did not wait for what Dovecot refuses; filing is tried again.
      if (places instanceof Error) throw places;
    }
    const seen = await onMessagesRead(user, events, settings, parts);
    // Under `active` hardly any of them is chat.
    if (seen > 0 && settings.messageFilter === 'seen') parts.onMoved?.('seen', seen);
  };

  function concernsContacts(event: DovecotEvent): boolean {
    if (event.event === 'MessageAppend' || event.event === 'MessageExpunge') {
      // Or another mailbox of that name, or Contacts by another name (`alias_for`): read once more, then.
      return event.mailbox.endsWith('Contacts');
    }
    return isMailboxEvent(event); // renamed, perhaps with a parent: who blocks whom is read anew
  }

  async function withoutBlocked(
    user: string,
    delivered: readonly MessageNewEvent[],
    settings: CoiSettings,
    receivedAt: number,
  ): Promise<readonly MessageNewEvent[]> {
    if (!settings.enabled || delivered.length === 0) return delivered;
    const aside = await parts.setBlockedAside(user, delivered, receivedAt);
    return delivered.filter((event) => !aside.has(event));
  }

  async function fileLate(
    user: string,
    delivered: readonly MessageNewEvent[],
    { enabled, messageFilter }: CoiSettings,
    receivedAt: number,
  ): Promise<ReadonlyMap<MessageNewEvent, MessagePlace>> {
    // A message with keywords has a uid always: Dovecot waits for the list of uids to store them.
    const inInbox = delivered
      .filter(({ mailbox, uid }) => mailbox.toUpperCase() === 'INBOX' && uid > 0)
      .filter(({ keywords = [] }) => keywords.some(isChatKeyword));
    if (inInbox.length > 0) parts.inboxChat.noteDelivered(user);
    if (!enabled || messageFilter === 'none') return NOWHERE;
    const late = inInbox.filter(({ seen = false }) => messageFilter === 'active' || seen);
    if (late.length === 0) return NOWHERE;
    const places = await parts.fileLate(user, late, receivedAt);
    parts.onMoved?.(messageFilter === 'active' ? 'late' : 'seen', late.length);
    return places;
  }
}

const NOWHERE: ReadonlyMap<MessageNewEvent, MessagePlace> = new Map();

/** Dovecot's refusal to move messages, or to make the mailbox for them. */
function refusalOf(error: unknown): Error {
  if (error instanceof DoveadmCommandError) return error;
  if (error instanceof Error && error.cause instanceof DoveadmCommandError) return error;
  throw error;
}
