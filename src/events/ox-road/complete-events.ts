import type { CoiSettings } from '../../coi/settings.ts';
import type { ListMessages } from '../../messages/list-messages.ts';
import { isNumbered, type LocateMessages } from '../../messages/locate-messages.ts';
import type { Logger } from '../../logging.ts';
import type { MessageNewEvent } from '../event-schema.ts';
import { NOT_FOUND } from '../on-new-messages.ts';

export interface CompleteEventsParts {
  locate: LocateMessages;
  list: ListMessages;
  /** Whether any push could come of a message. */
  wantsPushes: (user: string) => Promise<boolean>;
  log: Logger;
}

/**
 * Adds what an event does not say of its message; a message that is gone by now is left out.
 *
 * @param receivedAt when they were reported, in milliseconds since the epoch
 */
export type CompleteEvents = (
  user: string,
  delivered: readonly MessageNewEvent[],
  settings: CoiSettings,
  receivedAt: number,
) => Promise<MessageNewEvent[]>;

/**
 * The `ox` driver tells neither keywords, without which nobody knows what is chat, nor Message-ID.
 * Both are looked up, with one doveadm request for all messages, where something depends on them:
 * a push, or chat that Sieve could not file.
 *
 * @throws UnavailableError Dovecot does not answer
 */
export function createCompleteEvents(parts: CompleteEventsParts): CompleteEvents {
  return async (user, delivered, settings, receivedAt) => {
    const isIncomplete = ({ keywords }: MessageNewEvent): boolean => keywords === undefined;
    if (!delivered.some(isIncomplete) || !(await matters(user, settings))) return [...delivered];
    const numbered = await number(user, delivered.filter(isIncomplete), receivedAt);
    const completed = await lookUp(user, numbered);
    return [...delivered.filter((event) => !isIncomplete(event)), ...completed];
  };

  async function matters(user: string, settings: CoiSettings): Promise<boolean> {
    const files = settings.enabled && settings.messageFilter === 'active';
    return files || parts.wantsPushes(user);
  }

  async function number(
    user: string,
    events: readonly MessageNewEvent[],
    receivedAt: number,
  ): Promise<MessageNewEvent[]> {
    const unnumbered = events.filter((event) => !isNumbered(event));
    if (unnumbered.length === 0) return [...events];
    const places = await parts.locate(
      user,
      unnumbered.map(({ mailbox, subject }) => ({ mailbox, subject })),
      receivedAt,
    );
    const found = unnumbered.map((event, index) => ({ ...event, ...places[index] }));
    for (const event of found) {
      if (!isNumbered(event)) parts.log.info({ user, mailbox: event.mailbox }, NOT_FOUND);
    }
    return [...events, ...found].filter(isNumbered);
  }

  async function lookUp(
    user: string,
    events: readonly MessageNewEvent[],
  ): Promise<MessageNewEvent[]> {
    const groups = [...Map.groupBy(events, ({ mailbox }) => mailbox)];
    const listings = await parts.list(
      user,
      groups.map(([mailbox, group]) => ({
        mailbox,
        criteria: ['uid', group.map(({ uid }) => uid).join(',')],
      })),
    );
    return groups.flatMap(([, group], index) =>
      group.flatMap((event) => {
        const { uidvalidity = 0, messages = [] } = listings[index] ?? {};
        const stored = messages.find(({ uid }) => uid === event.uid);
        if (stored === undefined || uidvalidity !== event.uidvalidity) return [];
        const { keywords, messageId } = stored;
        return { ...event, keywords, ...(messageId !== undefined && { message_id: messageId }) };
      }),
    );
  }
}
