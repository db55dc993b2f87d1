import { isDispositionNotification } from '../messages/is-disposition-notification.ts';
import { buildMessagePayload } from '../webpush/payload/build-message-payload.ts';
import { describeEvent } from './describe-event.ts';
import { isChatKeyword, type MessageNewEvent } from './event-schema.ts';
import type { MessagePlace } from '../messages/message-place.ts';

/**
 * The JSON of a message's push, or undefined for a disposition notification, which is never pushed
 * whatever else it carries (webpush-spec, "Push Notification Payload").
 *
 * @param message undefined when it could not be had; the event then has to do
 */
export function writePayload(
  message: Buffer | undefined,
  event: MessageNewEvent,
  place: MessagePlace,
): string | undefined {
  if (message === undefined) return buildMessagePayload(describeEvent(event), place).json;
  const isChat = (event.keywords ?? []).some(isChatKeyword);
  if (isDispositionNotification(message, isChat)) return undefined;
  return buildMessagePayload(message, place).json;
}
