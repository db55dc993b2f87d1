import { isDispositionNotification } from '../messages/is-disposition-notification.ts';
import { parseHeaderBlock } from '../messages/parse-header-block.ts';
import { buildMessagePayload } from '../webpush/payload/build-message-payload.ts';
import { describeEvent } from './describe-event.ts';
import type { MessageNewEvent } from './event-schema.ts';
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
  { mailbox, uid, uidvalidity }: MessagePlace,
): string | undefined {
  const place = { mailbox, uid, uidValidity: uidvalidity };
  if (message === undefined) return buildMessagePayload(describeEvent(event), place).json;
  if (isDispositionNotification(parseHeaderBlock(message))) return undefined;
  return buildMessagePayload(message, place).json;
}
