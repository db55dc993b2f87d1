import type { ListedMessage, ListMessages } from './list-messages.ts';
import { MAX_REPORTED_CHARS } from './limits.ts';
import { type MessagePlace, newestOf } from './message-place.ts';
import { firstMessageId } from './parse-message-ids.ts';

/** A delivered message of which the place is not known, and what its header says. */
export interface UnnumberedMessage {
  mailbox: string;
  /** The Message-ID field's value. */
  messageId?: string | undefined;
  /** Decoded; its beginning will do. */
  subject?: string | undefined;
}

/**
 * The places of the messages, in their order; undefined for one that is not there any more.
 *
 * @param since when they were delivered at the earliest, in milliseconds since the epoch
 */
export type LocateMessages = (
  user: string,
  messages: readonly UnnumberedMessage[],
  since: number,
) => Promise<(MessagePlace | undefined)[]>;

/** Whether Dovecot has told the place in full. */
export const isNumbered = ({ uid, uidvalidity }: MessagePlace): boolean =>
  uid > 0 && uidvalidity > 0;

/** Another host's clock may have dated the message, and what is told of it may be told late. */
const MARGIN_SECONDS = 3_600;

/**
 * Dovecot stores mail in a Maildir even while another process has the list of uids locked, and leaves
 * the uid for later (maildir-save.c, MAILDIR_UIDLIST_SYNC_TRYLOCK): its MessageNew event has uid 0
 * then, and uidvalidity 0 too while the other is only making the list. And a message that was moved has
 * another uid.
 *
 * Looks through what was delivered since for the newest with the Message-ID, else with the subject;
 * without either, takes the newest. It does not search for them: that is for the full-text index to
 * answer where there is one, and fts_xapian finds no Message-ID with a `$` in it, as those of chat have.
 * One doveadm request for all.
 *
 * @throws UnavailableError Dovecot does not answer
 * @throws DoveadmCommandError it refused for another reason than that something is gone
 */
export const createLocateMessages =
  (list: ListMessages): LocateMessages =>
  async (user, messages, since) => {
    const from = Math.max(0, Math.floor(since / 1_000) - MARGIN_SECONDS);
    const groups = [...Map.groupBy(messages, ({ mailbox }) => mailbox)];
    const queries = groups.map(([mailbox, group]) => ({
      ...{ mailbox, criteria: ['since', String(from)] },
      subjects: group.some((message) => firstMessageId(message.messageId) === undefined),
    }));
    const listings = new Map(
      (await list(user, queries)).map((listing) => [listing.mailbox, listing]),
    );
    return messages.map((message) => {
      const listing = listings.get(message.mailbox);
      if (listing === undefined) return undefined;
      return newestOf({ ...listing, messages: listing.messages.filter(resembling(message)) });
    });
  };

function resembling({
  messageId,
  subject = '',
}: UnnumberedMessage): (listed: ListedMessage) => boolean {
  const id = firstMessageId(messageId);
  if (id !== undefined) return (listed) => hasId(listed.messageId, id, messageId?.length ?? 0);
  const beginning = inOneLine(subject);
  return (listed) => inOneLine(listed.subject ?? '').startsWith(beginning);
}

/** What was told of a long one may be its beginning, of which another id is read than of the whole. */
const hasId = (listed: string | undefined, id: string, toldChars: number): boolean =>
  firstMessageId(listed) === id ||
  (toldChars >= MAX_REPORTED_CHARS && firstMessageId(listed?.slice(0, toldChars)) === id);

const inOneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();
