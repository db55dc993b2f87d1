import { findSender } from '../messages/parse-mailboxes.ts';
import type { MessageSummary } from '../webpush/payload/build-message-payload.ts';
import type { MessageNewEvent } from './event-schema.ts';

/** What Dovecot's event itself says of a message that could not be had. */
export function describeEvent(event: MessageNewEvent): MessageSummary {
  const sender = findSender(event.from);
  return {
    ...(sender?.address && { fromEmail: sender.address }),
    ...(sender?.name && { fromName: sender.name }),
    ...(event.subject && { subject: event.subject }),
    ...(event.message_id && { messageId: event.message_id }),
    // 2.3 says 0 for a message without a date.
    ...(event.date && { date: { seconds: event.date, offset: event.tz ?? 0 } }),
  };
}
