import type { ListMessages } from './list-messages.ts';
import { type MessagePlace, newestOf } from './message-place.ts';

/** A delivered message of which the place is not known, and what its header says. */
export interface UnnumberedMessage {
  mailbox: string;
  /** The Message-ID field's value. */
  messageId?: string | undefined;
  /** Decoded. */
  subject?: string | undefined;
}

/** The places of the messages, in their order; undefined for one that is not there any more. */
export type LocateMessages = (
  user: string,
  messages: readonly UnnumberedMessage[],
) => Promise<(MessagePlace | undefined)[]>;

/** Whether Dovecot has told the place in full. */
export const isNumbered = ({ uid, uidvalidity }: MessagePlace): boolean =>
  uid > 0 && uidvalidity > 0;

/**
 * Dovecot stores mail in a Maildir even while another process has the list of uids locked, and leaves
 * the uid for later (maildir-save.c, MAILDIR_UIDLIST_SYNC_TRYLOCK): its MessageNew event has uid 0
 * then, and uidvalidity 0 too while the other is only making the list.
 *
 * Searches by Message-ID, else by subject, for the newest such message; without either, takes the
 * newest of the mailbox. One doveadm request for all.
 *
 * @throws UnavailableError Dovecot does not answer
 * @throws DoveadmCommandError it refused for another reason than that something is gone
 */
export const createLocateMessages =
  (list: ListMessages): LocateMessages =>
  async (user, messages) => {
    const queries = messages.map((message) => ({
      mailbox: message.mailbox,
      criteria: criteriaFor(message),
    }));
    return (await list(user, queries)).map(newestOf);
  };

function criteriaFor({ messageId, subject }: UnnumberedMessage): readonly string[] {
  const header = messageId !== undefined ? ['message-id', messageId] : ['subject', subject ?? ''];
  // A sequence number: doveadm finds nothing for "uid *".
  return header[1] === '' ? ['*'] : ['header', ...header];
}
