import { Type, type Static } from 'typebox';
import { decodeHeaderText } from '../../messages/decode-header-text.ts';
import { MAX_VALUE_OCTETS } from '../../messages/limits.ts';
import { UserName, type Transaction } from '../event-schema.ts';

const Uint32 = { maximum: 4_294_967_295 };

/**
 * What Dovecot's stock `ox` driver sends of one delivered message. It speaks of nothing else, and of
 * INBOX only; `snippet` and `unseen`, which it sends too, are of no use here.
 *
 * @see Dovecot src/plugins/push-notification/push-notification-driver-ox.c
 */
export const OxNotificationSchema = Type.Object({
  user: UserName,
  /** Its documentation writes `MessageNew`. */
  event: Type.String({ pattern: '^[Mm]essageNew$' }),
  folder: Type.String({ minLength: 1, maxLength: 4_096 }),
  /** 0, as the next: stored, but not numbered yet (src/messages/locate-messages.ts). */
  'imap-uidvalidity': Type.Integer({ minimum: 0, ...Uint32 }),
  'imap-uid': Type.Integer({ minimum: 0, ...Uint32 }),
  /** Both as they stand in the header, folded and encoded. */
  from: Type.Optional(Type.String()),
  subject: Type.Optional(Type.String()),
});

export type OxNotification = Static<typeof OxNotificationSchema>;

/** The same in the words of `lua/coi.lua`. Keywords, Message-ID and date stay unknown. */
export function fromOxNotification(notification: OxNotification): Transaction {
  const { user, folder, from, subject } = notification;
  return {
    user,
    events: [
      {
        event: 'MessageNew',
        mailbox: folder,
        uid: notification['imap-uid'],
        uidvalidity: notification['imap-uidvalidity'],
        ...(from !== undefined && { from: unfold(from) }),
        ...(subject !== undefined && { subject: decodeHeaderText(unfold(subject)) }),
      },
    ],
  };
}

/** The white space behind a fold stays (RFC 5322 section 2.2.3). */
const unfold = (value: string): string =>
  value.slice(0, MAX_VALUE_OCTETS).replaceAll(/[\r\n]+/g, '');
