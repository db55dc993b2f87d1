import { Type, type Static } from 'typebox';
import { InvalidInputError } from '../errors.ts';
import { compileFindProblem } from '../first-problem.ts';
import { parseJson } from '../parse-json.ts';
import { MAX_USER_NAME, problemOfUserName } from '../user-name.ts';
import { trimEvent } from './trim-event.ts';

/** The name of one user, wherever it stands in what others send. */
export const UserName = Type.Refine(
  Type.String({
    minLength: 1,
    maxLength: MAX_USER_NAME,
    description: "The user, as Dovecot's %u",
  }),
  (name) => problemOfUserName(name) === undefined,
  (name) => problemOfUserName(name) ?? '',
);

/**
 * Seconds since the epoch as far as a Date goes (ECMA-262, "Time Values"). Dovecot's own dates end with
 * the year 9999.
 */
const MOST_SECONDS = 8_640_000_000_000;
/** `+9999` is the largest offset that Dovecot reads in a Date (message-date.c): 99 hours, 99 minutes. */
const MOST_MINUTES = 99 * 60 + 99;

const Uint32 = Type.Integer({ minimum: 1, maximum: 4_294_967_295 });
const Name = Type.String({ minLength: 1, maxLength: 4_096 });

const message = { mailbox: Name, uid: Uint32, uidvalidity: Uint32 };
const Keywords = Type.Array(Type.String());

/** A message was delivered (LMTP, LDA). */
const MessageNew = Type.Object({
  event: Type.Literal('MessageNew'),
  mailbox: Name,
  /** 0, as the next: stored, but not numbered yet (src/messages/locate-messages.ts). */
  uid: Type.Integer({ minimum: 0, maximum: 4_294_967_295 }),
  uidvalidity: Type.Integer({ minimum: 0, maximum: 4_294_967_295 }),
  /** As it stands in the header, unfolded. */
  message_id: Type.Optional(Type.String()),
  /** Absent: unknown, and looked up where it matters (src/events/ox-road/complete-events.ts). */
  keywords: Type.Optional(Keywords),
  /** Whether a Sieve script of the user's gave it `\Seen` at once; absent: it did not, or nobody tells. */
  seen: Type.Optional(Type.Boolean()),
  /** As it stands in the header, unfolded. */
  from: Type.Optional(Type.String()),
  /** Decoded. */
  subject: Type.Optional(Type.String()),
  /** Seconds since the epoch. */
  date: Type.Optional(Type.Integer({ minimum: -MOST_SECONDS, maximum: MOST_SECONDS })),
  /** The sender's offset, in minutes east of UTC. */
  tz: Type.Optional(Type.Integer({ minimum: -MOST_MINUTES, maximum: MOST_MINUTES })),
  /** When it was delivered, in seconds since the epoch; absent: when it was reported. */
  received: Type.Optional(Type.Integer({ minimum: 0, maximum: MOST_SECONDS })),
});

/** `\Seen` was set. */
const MessageRead = Type.Object({
  event: Type.Literal('MessageRead'),
  ...message,
  /** By somebody who shares the mailbox, so perhaps a `\Seen` that the user does not see. */
  shared: Type.Optional(Type.Boolean()),
});

/** Keywords were taken away; the script reports it only for `$Chat`. */
const FlagsClear = Type.Object({
  event: Type.Literal('FlagsClear'),
  ...message,
  keywords: Keywords,
  /** Other flags of the message changed with it: its client did not mean `$Chat`. */
  replaced: Type.Optional(Type.Boolean()),
});

/** Messages came into or left a mailbox that may be a user's Contacts; said once a transaction. */
const MessageAppend = Type.Object({ event: Type.Literal('MessageAppend'), mailbox: Name });
const MessageExpunge = Type.Object({ event: Type.Literal('MessageExpunge'), mailbox: Name });

const MailboxCreate = Type.Object({ event: Type.Literal('MailboxCreate'), mailbox: Name });
const MailboxDelete = Type.Object({ event: Type.Literal('MailboxDelete'), mailbox: Name });
const MailboxRename = Type.Object({
  event: Type.Literal('MailboxRename'),
  mailbox: Name,
  mailbox_old: Name,
});

/**
 * The body of `POST /v1/events` and a line of the event log: what one Dovecot transaction did,
 * written by `lua/coi.lua` or made out of what the `ox` driver sends. Unknown properties are let
 * through, so that a newer script can talk to an older sidecar.
 *
 * Nothing limits how long or how many what comes out of messages, or is done to them, may be: senders
 * and clients choose that, and what is refused here is lost. {@link readTransaction} cuts it instead.
 */
export const TransactionSchema = Type.Object({
  user: UserName,
  /** Of the system user whose process reports it, and whose log it stands in. */
  uid: Type.Optional(Type.Integer({ minimum: 0, maximum: 4_294_967_295 })),
  /** When it was written to the log, in seconds since the epoch. */
  at: Type.Optional(Type.Number()),
  /** Dovecot's service: lmtp, imap, doveadm … */
  service: Type.Optional(Type.String({ maxLength: 64 })),
  /** Dovecot's session, which LMTP also writes into the messages that it delivers. */
  session: Type.Optional(Type.String({ maxLength: 1_024 })),
  events: Type.Array(
    Type.Union([
      MessageNew,
      MessageRead,
      MessageAppend,
      MessageExpunge,
      FlagsClear,
      MailboxCreate,
      MailboxDelete,
      MailboxRename,
    ]),
    { minItems: 1 },
  ),
});

/** The events that there are. */
export const EVENT_NAMES: readonly DovecotEvent['event'][] =
  TransactionSchema.properties.events.items.anyOf.map(({ properties }) => properties.event.const);

export type Transaction = Static<typeof TransactionSchema>;
export type DovecotEvent = Transaction['events'][number];
export type MessageNewEvent = Static<typeof MessageNew>;
export type MailboxEvent =
  Static<typeof MailboxCreate> | Static<typeof MailboxDelete> | Static<typeof MailboxRename>;

export const isMailboxEvent = (event: DovecotEvent): event is MailboxEvent =>
  event.event.startsWith('Mailbox');

const findProblem = compileFindProblem(TransactionSchema);

/**
 * What was sent as a transaction, as one that is fit to be worked with: fields of which senders and
 * clients choose the length are cut to what is read of them. Ends at the first problem; costs no more
 * than reading the value once.
 *
 * @returns the transaction, or in words what it breaks
 */
export function readTransaction(value: unknown): Transaction | string {
  const problem = findProblem(value);
  if (problem !== undefined) {
    return `${problem.instancePath.slice(1).replaceAll('/', '.')} ${problem.message}`.trim();
  }
  const transaction = value as Transaction;
  return { ...transaction, events: transaction.events.map(trimEvent) };
}

/** The same, of octets of JSON: a line of the event log, the content of a spool file. */
export function parseTransaction(octets: Buffer): Transaction | string {
  try {
    return readTransaction(parseJson(octets));
  } catch (error) {
    if (error instanceof InvalidInputError) return error.message;
    throw error;
  }
}

/** What chat messages are marked with. */
export const CHAT_KEYWORD = '$Chat';

/** Keywords are case-insensitive in IMAP (RFC 3501 section 2.3.2). */
export const isChatKeyword = (keyword: string): boolean =>
  keyword.toLowerCase() === CHAT_KEYWORD.toLowerCase();

/** What is known of the transaction in which messages were delivered. */
export interface DeliveryContext {
  /** Dovecot's session; older scripts do not tell it. */
  session: string | undefined;
  /** When it was reported, unless its events say when they were; in milliseconds since the epoch. */
  receivedAt: number;
}
