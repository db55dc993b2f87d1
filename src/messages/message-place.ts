import type { MailboxListing } from './list-messages.ts';

/** Where a delivered message is by now; where Dovecot's event said unless it was filed late. */
export interface MessagePlace {
  /** Its name as users see it: UTF-8, not modified UTF-7. */
  mailbox: string;
  uid: number;
  uidvalidity: number;
}

/** The place of a listing's newest message; undefined when there is none. */
export function newestOf({
  mailbox,
  uidvalidity,
  messages,
}: MailboxListing): MessagePlace | undefined {
  const uid = messages.reduce((newest, message) => Math.max(newest, message.uid), 0);
  return uid > 0 && uidvalidity > 0 ? { mailbox, uid, uidvalidity } : undefined;
}
