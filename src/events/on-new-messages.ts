import { KeyedMutex } from '../keyed-mutex.ts';
import type { Logger } from '../logging.ts';
import type { FetchMessages } from '../messages/fetch-messages.ts';
import { isNumbered, type LocateMessages } from '../messages/locate-messages.ts';
import type { MessagePlace } from '../messages/message-place.ts';
import { firstMessageId } from '../messages/parse-message-ids.ts';
import type { RecentMessages } from '../messages/recent-messages.ts';
import { toStoredLineEnds } from '../messages/to-stored-line-ends.ts';
import type { NewPush } from '../stores/outbox-store.ts';
import type { PushTarget } from '../webpush/subscriptions/subscriptions.ts';
import { type DeliveryContext, isChatKeyword, type MessageNewEvent } from './event-schema.ts';
import { resemblesEvent } from './resembles-event.ts';

export interface NewMessageParts {
  recent: RecentMessages;
  fetch: FetchMessages;
  locate: LocateMessages;
  /** Validated subscriptions that want to hear of such a message. */
  targets: (user: string, isChat: boolean) => Promise<PushTarget[]>;
  /** The payload as JSON, or undefined for a message that must not be pushed. */
  payload: (
    message: Buffer | undefined,
    event: MessageNewEvent,
    place: MessagePlace,
  ) => string | undefined;
  /** Durable when it resolves. */
  enqueue: (pushes: readonly NewPush[]) => Promise<void>;
  /** Milliseconds that a push for a message is worth delivering. */
  ttl: number;
  log: Logger;
}

/** A message that was delivered, and where it is by now. */
export interface Delivered {
  event: MessageNewEvent;
  place: MessagePlace;
}

/** One message that somebody wants to hear of. */
interface Wanted extends Delivered {
  isChat: boolean;
  targets: PushTarget[];
}

/** Of one that Dovecot reported without its uid. */
export const NOT_FOUND = 'a message that was delivered is not in its mailbox: no push for it';

/** Makes the pushes for delivered messages owed (webpush-spec, "Push Notification Payload"). */
export function createOnNewMessages(parts: NewMessageParts) {
  const { recent } = parts;
  const turns = new KeyedMutex();

  return async (
    user: string,
    deliveries: readonly Delivered[],
    { session, receivedAt }: DeliveryContext,
  ): Promise<void> => {
    const wanted = await number(user, await findWanted(user, deliveries), receivedAt);
    if (wanted.length === 0) return;
    const messages = findKept(user, wanted, session);
    const enqueue = async (): Promise<void> => {
      const pushes = wanted.flatMap((one) =>
        pushesFor(user, one, messages.get(one.event), receivedAt),
      );
      if (pushes.length > 0) await parts.enqueue(pushes);
    };
    const missing = wanted.filter(({ event }) => !messages.has(event));
    if (missing.length === 0) return enqueue();
    const fetching = fetchMissing(user, missing, messages);
    fetching.catch(() => undefined); // told to whoever waits below, which may be later
    // Deliveries do not wait for each other's messages; their pushes go in order all the same.
    await turns.run(user, async () => {
      await fetching;
      await enqueue();
    });
  };

  async function findWanted(user: string, deliveries: readonly Delivered[]): Promise<Wanted[]> {
    const all = await Promise.all(
      deliveries.map(async ({ event, place }) => {
        const isChat = (event.keywords ?? []).some(isChatKeyword);
        const targets = await parts.targets(user, isChat);
        return { event, place, isChat, targets };
      }),
    );
    return all.filter(({ targets }) => targets.length > 0);
  }

  /** Looks up what Dovecot could not tell of places; a message that is gone by now is left out. */
  async function number(
    user: string,
    wanted: readonly Wanted[],
    receivedAt: number,
  ): Promise<Wanted[]> {
    const unnumbered = wanted.filter(({ place }) => !isNumbered(place));
    if (unnumbered.length === 0) return [...wanted];
    const places = await parts.locate(
      user,
      unnumbered.map(({ event: { mailbox, message_id: messageId, subject } }) => ({
        ...{ mailbox, messageId, subject },
      })),
      receivedAt,
    );
    const numbered = unnumbered.flatMap((one, index): Wanted[] => {
      const place = places[index];
      if (place !== undefined) return [{ ...one, event: { ...one.event, ...place }, place }];
      parts.log.info({ user, mailbox: one.event.mailbox }, NOT_FOUND);
      return [];
    });
    return [...wanted.filter(({ place }) => isNumbered(place)), ...numbered];
  }

  /** Messages that passed by the classify road. */
  function findKept(
    user: string,
    wanted: readonly Wanted[],
    session: string | undefined,
  ): Map<MessageNewEvent, Buffer> {
    const messages = new Map<MessageNewEvent, Buffer>();
    for (const { event } of wanted) {
      const messageId = firstMessageId(event.message_id);
      const resembles = resemblesEvent(event, session);
      const kept = messageId === undefined ? undefined : recent.find(user, messageId, resembles);
      if (kept !== undefined) messages.set(event, toStoredLineEnds(kept));
    }
    return messages;
  }

  /** With one call a mailbox. */
  async function fetchMissing(
    user: string,
    missing: readonly Delivered[],
    messages: Map<MessageNewEvent, Buffer>,
  ): Promise<void> {
    for (const [mailbox, group] of Map.groupBy(missing, ({ place }) => place.mailbox)) {
      const uids = group.map(({ place }) => place.uid);
      const fetched = await parts.fetch(user, mailbox, uids);
      for (const { event, place } of group) {
        const message = fetched.get(place.uid);
        if (message !== undefined) messages.set(event, message);
      }
    }
  }

  function pushesFor(
    user: string,
    { event, place, isChat, targets }: Wanted,
    message: Buffer | undefined,
    receivedAt: number,
  ): NewPush[] {
    const payload = parts.payload(message, event, place);
    if (payload === undefined) return [];
    // What was delivered after it was reported was dated by a wrong clock, or by somebody who lies.
    const createdAt =
      event.received === undefined ? receivedAt : Math.min(1_000 * event.received, receivedAt);
    return targets.map(({ id, resource }) => ({
      user,
      subscriptionId: id,
      endpoint: resource.endpoint,
      kind: 'message',
      payload,
      // A chat message is what someone waits for; ordinary mail may spare the battery.
      urgency: isChat ? 'high' : 'normal',
      createdAt,
      expiresAt: createdAt + parts.ttl,
      // By where it was delivered: that stays the same however often it is reported.
      dedupeKey: [user, id, event.mailbox, event.uidvalidity, event.uid].join('\0'),
    }));
  }
}
