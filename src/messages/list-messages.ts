import {
  DoveadmCommandError,
  EXIT_CODES,
  type DoveadmClient,
  type DoveadmCommand,
  type DoveadmRow,
} from '../dovecot/doveadm-client.ts';
import { selectMailbox } from '../dovecot/select-mailbox.ts';

/** A stored message, by what Dovecot's index knows of it. */
export interface ListedMessage {
  uid: number;
  keywords: string[];
  /** The Message-ID field's value. */
  messageId?: string;
  /** The Subject field's value, decoded; where it was asked for. */
  subject?: string;
  /** Seconds since the epoch: INTERNALDATE, which is when it was delivered. */
  received: number;
}

/** The messages of one mailbox. */
export interface MailboxListing {
  mailbox: string;
  /** 0 when the mailbox is gone. */
  uidvalidity: number;
  messages: ListedMessage[];
}

/** One mailbox and what to look for in it, in the words of doveadm-search-query(7). */
export interface MailboxQuery {
  mailbox: string;
  criteria: readonly string[];
  /** Whether their subjects are wanted. */
  subjects?: boolean;
}

/** Lists messages, one listing a query; a mailbox that is gone is without messages. */
export type ListMessages = (
  user: string,
  queries: readonly MailboxQuery[],
) => Promise<MailboxListing[]>;

/**
 * Asks in one request, unless a name must be looked up first (see selectMailbox).
 *
 * @throws UnavailableError Dovecot does not answer
 * @throws DoveadmCommandError it refused for another reason than that something is gone
 */
export function createListMessages(doveadm: DoveadmClient): ListMessages {
  return async (user, queries) => {
    if (queries.length === 0) return [];
    const mailboxes = [...new Set(queries.map(({ mailbox }) => mailbox))];
    const searches = await Promise.all(
      queries.map(async ({ mailbox, criteria, subjects = false }) => ({
        query: [...(await selectMailbox(doveadm, user, mailbox)), ...criteria],
        field: subjects ? [...FIELDS, SUBJECT] : FIELDS,
      })),
    );
    const answers = await doveadm.runAll([
      statusCommand(user, mailboxes),
      ...searches.map((search) => ({ name: 'fetch', parameters: { user, ...search } })),
    ]);
    const [status = [], ...found] = answers.map(rowsUnlessGone);
    const uidvalidities = new Map(status.map((row) => [row['mailbox'], row['uidvalidity']]));
    return queries.map(({ mailbox }, index) => ({
      mailbox,
      uidvalidity: Number(uidvalidities.get(mailbox) ?? 0),
      messages: (found[index] ?? []).map(readRow),
    }));
  };
}

const statusCommand = (user: string, mailboxes: readonly string[]): DoveadmCommand => ({
  name: 'mailboxStatus',
  parameters: { user, field: ['uidvalidity'], mailboxMask: mailboxes },
});

const FIELDS = ['uid', 'flags', 'hdr.message-id', 'date.received.unixtime'];
const SUBJECT = 'hdr.subject.utf8';

const GONE: readonly number[] = [EXIT_CODES.notFound, EXIT_CODES.noSuchUser];

function rowsUnlessGone(answer: DoveadmRow[] | DoveadmCommandError): DoveadmRow[] {
  if (!(answer instanceof DoveadmCommandError)) return answer;
  if (GONE.includes(answer.exitCode)) return [];
  throw answer;
}

/** `{"uid":"7","flags":"\\Recent $Chat","hdr.message-id":"<chat$1@example.org>", …}` */
function readRow(row: DoveadmRow): ListedMessage {
  const messageId = row['hdr.message-id'] ?? '';
  return {
    uid: Number(row['uid']),
    keywords: (row['flags'] ?? '').split(' ').filter((flag) => /^[^\\]/.test(flag)),
    ...(messageId !== '' && { messageId }),
    ...(row[SUBJECT] !== undefined && { subject: row[SUBJECT] }),
    received: Number(row['date.received.unixtime']),
  };
}
