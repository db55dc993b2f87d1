import { LRUCache } from 'lru-cache';
import { examineMessage } from '../coi/examine-message.ts';
import type { CoiSettings } from '../coi/settings.ts';
import { DoveadmCommandError, EXIT_CODES, type DoveadmClient } from '../dovecot/doveadm-client.ts';
import { selectMailbox } from '../dovecot/select-mailbox.ts';
import type { Logger } from '../logging.ts';
import { isNumbered, type LocateMessages } from '../messages/locate-messages.ts';
import { firstMessageId } from '../messages/parse-message-ids.ts';
import type { RecentMessages } from '../messages/recent-messages.ts';
import {
  CHAT_KEYWORD,
  type DeliveryContext,
  isChatKeyword,
  type MessageNewEvent,
} from './event-schema.ts';
import { resemblesEvent } from './resembles-event.ts';

/**
 * Gives chat messages the keyword that they were delivered without.
 *
 * @returns the same messages, all chat among them with `$Chat`
 */
export type MarkChat = (
  user: string,
  delivered: readonly MessageNewEvent[],
  settings: CoiSettings,
  context: DeliveryContext,
) => Promise<readonly MessageNewEvent[]>;

export interface MarkChatParts {
  recent: Pick<RecentMessages, 'peek'>;
  locate: LocateMessages;
  doveadm: DoveadmClient;
  log: Logger;
}

/** Longer than a message is kept, and so longer than it can be found to be chat. */
const REMEMBERED_MSECS = 120_000;

/**
 * "When a COI message has been detected, the server MUST mark the message with the $Chat keyword"
 * (coi-server-spec, "Configure Message Filtering, IMAP"). Sieve does, before the user's own script
 * runs, and that may replace all flags (`setflag`, `:flags`). What passed by when Sieve asked is
 * still known: a message that is chat and comes without `$Chat` gets it back.
 *
 * Once for each message: should its event come again, its user may have taken `$Chat` away by then.
 *
 * @throws UnavailableError Dovecot does not answer
 */
export function createMarkChat({ recent, locate, doveadm, log }: MarkChatParts): MarkChat {
  const marked = new LRUCache<string, true>({ max: 10_000, ttl: REMEMBERED_MSECS });
  const keyOf = (user: string, { mailbox, uidvalidity, uid }: MessageNewEvent): string =>
    [user, mailbox, uidvalidity, uid].join('\0');

  return async (user, delivered, settings, { session, receivedAt }) => {
    if (!settings.enabled) return delivered;
    const unmarked = delivered.filter((event) => isUnmarkedChat(user, event, session));
    if (unmarked.length === 0) return delivered;
    const places = await number(user, unmarked, receivedAt);
    const fresh = [...places.values()].filter((event) => !marked.has(keyOf(user, event)));
    await mark(user, fresh);
    return delivered.map((event) => {
      const chat = places.get(event);
      return chat ? { ...chat, keywords: [...(chat.keywords ?? []), CHAT_KEYWORD] } : event;
    });
  };

  function isUnmarkedChat(
    user: string,
    event: MessageNewEvent,
    session: string | undefined,
  ): boolean {
    if (event.keywords === undefined || event.keywords.some(isChatKeyword)) return false;
    const messageId = firstMessageId(event.message_id);
    if (messageId === undefined) return false;
    const kept = recent.peek(user, messageId, resemblesEvent(event, session));
    return kept !== undefined && examineMessage(kept).isChat;
  }

  /** Where each is; one that is gone by now is left out. */
  async function number(
    user: string,
    events: readonly MessageNewEvent[],
    receivedAt: number,
  ): Promise<Map<MessageNewEvent, MessageNewEvent>> {
    const places = new Map(events.filter(isNumbered).map((event) => [event, event]));
    const unnumbered = events.filter((event) => !isNumbered(event));
    if (unnumbered.length === 0) return places;
    const found = await locate(
      user,
      unnumbered.map(({ mailbox, message_id: messageId }) => ({ mailbox, messageId })),
      receivedAt,
    );
    for (const [index, event] of unnumbered.entries()) {
      const place = found[index];
      if (place !== undefined) places.set(event, { ...event, ...place });
    }
    return places;
  }

  async function mark(user: string, events: readonly MessageNewEvent[]): Promise<void> {
    for (const [mailbox, group] of Map.groupBy(events, (event) => event.mailbox)) {
      const uids = group.map(({ uid }) => uid).join(',');
      const query = [...(await selectMailbox(doveadm, user, mailbox)), 'uid', uids];
      const command = { name: 'flagsAdd', parameters: { user, flag: [CHAT_KEYWORD], query } };
      const [result] = await doveadm.runAll([command]);
      for (const event of group) marked.set(keyOf(user, event), true);
      // Not found: it went away meanwhile. The pushes do not depend on it.
      if (result instanceof DoveadmCommandError && result.exitCode !== EXIT_CODES.notFound) {
        log.warn({ user, mailbox, reason: result.message }, 'chat stays without $Chat');
      }
    }
  }
}
