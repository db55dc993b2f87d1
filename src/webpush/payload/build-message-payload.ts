import { dateToRfc3339, timeToRfc3339 } from '../../messages/date-to-rfc3339.ts';
import { cleanText } from '../../messages/clean-text.ts';
import { decodeHeaderText } from '../../messages/decode-header-text.ts';
import { findChatGroupId } from '../../messages/find-chat-group-id.ts';
import type { MessagePlace } from '../../messages/message-place.ts';
import { parseHeaderBlock, type HeaderBlock } from '../../messages/parse-header-block.ts';
import { findSender } from '../../messages/parse-mailboxes.ts';
import { firstMessageId } from '../../messages/parse-message-ids.ts';
import {
  MAX_FOLDER_OCTETS,
  MAX_PLAINTEXT_OCTETS,
  MAX_TEXT_OCTETS,
  type MessagePayload,
} from './payload.ts';
import { readContent, type Content } from './read-content.ts';
import { fitsJsonString, truncateJsonString } from './truncate-json-string.ts';

/** What is known of a message that could not be had itself: Dovecot's MessageNew event. */
export interface MessageSummary {
  fromEmail?: string;
  /** Decoded. */
  fromName?: string;
  /** Decoded. */
  subject?: string;
  /** The Message-ID field's value as it stands in the message. */
  messageId?: string;
  /** Seconds since the epoch, and the sender's offset in minutes east of UTC. */
  date?: { seconds: number; offset: number };
}

export interface BuiltPayload {
  payload: MessagePayload;
  /** `payload` as JSON: what is encrypted and sent. */
  json: string;
}

/**
 * The payload of a message push (webpush-spec, "Payload Data Format"). Empty and missing fields are
 * left out; the body comes along whenever the finished JSON fits, an empty one too.
 *
 * Takes any octets as message. Does not ask whether the message may be pushed at all.
 *
 * @param maxOctets what the JSON may take in UTF-8; at least MIN_PLAINTEXT_OCTETS, since uid and
 *   uidvalidity stay in any case
 */
export function buildMessagePayload(
  message: Buffer | MessageSummary,
  place: MessagePlace,
  maxOctets: number = MAX_PLAINTEXT_OCTETS,
): BuiltPayload {
  let described: Described;
  if (Buffer.isBuffer(message)) {
    const headers = parseHeaderBlock(message);
    described = describeMessage(headers);
    // JSON only ever makes a body longer.
    if (message.length - headers.bodyStart <= maxOctets) {
      const content = readContent(headers, message);
      const built = content && serialise(assemble(described, place, content));
      if (built && fits(built, maxOctets)) return built;
    }
  } else {
    described = describeSummary(message);
  }
  return shrinkToFit(assemble(described, place), maxOctets);
}

/** What a payload says about a message, before limits; empty texts count as missing. */
interface Described {
  fromEmail: string | undefined;
  fromName: string | undefined;
  subject: string | undefined;
  date: string | undefined;
  messageId: string | undefined;
  groupId: string | undefined;
}

function describeMessage(headers: HeaderBlock): Described {
  const sender = findSender(headers.first('from'));
  return {
    fromEmail: sender?.address,
    fromName: sender?.name,
    subject: decodeHeaderText(headers.first('subject') ?? ''),
    date: dateToRfc3339(headers.first('date') ?? ''),
    messageId: firstMessageId(headers.first('message-id')),
    groupId: findChatGroupId(headers.first('message-id'), headers.first('references')),
  };
}

function describeSummary(summary: MessageSummary): Described {
  const messageId = summary.messageId?.toWellFormed();
  return {
    fromEmail: cleanText(summary.fromEmail ?? ''),
    fromName: cleanText(summary.fromName ?? ''),
    subject: cleanText(summary.subject ?? ''),
    date: summary.date && timeToRfc3339(summary.date.seconds, summary.date.offset),
    messageId: firstMessageId(messageId),
    groupId: findChatGroupId(messageId),
  };
}

/** The fields in the order of the specification. */
function assemble(described: Described, place: MessagePlace, content?: Content): MessagePayload {
  const { fromEmail, fromName, subject, date, messageId, groupId } = described;
  const folder = place.mailbox.toWellFormed();
  return {
    ...(fromEmail && { 'from-email': limited(fromEmail.toLowerCase()) }),
    ...(fromName && { 'from-name': limited(fromName) }),
    ...(subject && { subject: limited(subject) }),
    ...content,
    ...(date && { date }),
    // Without angle brackets, as the specification's example has it.
    ...(messageId && { 'msg-id': limited(messageId) }),
    uid: place.uid,
    uidvalidity: place.uidvalidity,
    ...(folder !== '' && fitsJsonString(folder, MAX_FOLDER_OCTETS) && { folder }),
    ...(groupId && { 'group-id': groupId }),
  };
}

const limited = (text: string): string => truncateJsonString(text, MAX_TEXT_OCTETS);

/** What a client misses least goes first; it can fetch the message by folder and uid. */
const DISPENSABLE = [
  'date',
  'group-id',
  'msg-id',
  'from-email',
  'subject',
  'from-name',
  'folder',
] as const;

function shrinkToFit(payload: MessagePayload, limit: number): BuiltPayload {
  let built = serialise(payload);
  for (const name of DISPENSABLE) {
    if (fits(built, limit)) break;
    const rest = { ...built.payload };
    Reflect.deleteProperty(rest, name);
    built = serialise(rest);
  }
  return built;
}

const serialise = (payload: MessagePayload): BuiltPayload => ({
  payload,
  json: JSON.stringify(payload),
});

const fits = ({ json }: BuiltPayload, limit: number): boolean => Buffer.byteLength(json) <= limit;
