import { isUtf8 } from 'node:buffer';
import { parseContentType, type ContentType } from '../../messages/parse-content-type.ts';
import type { HeaderBlock } from '../../messages/parse-header-block.ts';
import { stripComments } from '../../messages/strip-comments.ts';
import { MAX_CONTENT_TYPE_OCTETS, type MessagePayload } from './payload.ts';
import { truncateJsonString } from './truncate-json-string.ts';

/** The body of a message and what is needed to read it. */
export interface Content extends Pick<MessagePayload, 'content-type' | 'content-encoding'> {
  content: string;
}

/**
 * The full body as stored: line ends, transfer encoding and MIME structure untouched. A receiver
 * takes the octets of `content` (its UTF-8), undoes `content-encoding`, and reads the outcome by
 * `content-type`, as it would read the message itself.
 *
 * Octets that JSON cannot carry, or clients in C cannot, go out as base64: those outside UTF-8, and
 * NUL. An empty body is the empty text, which tells a client that there is nothing to fetch. Undefined
 * for a header without the empty line behind it, whose body is not at hand, and for a body that
 * contradicts itself: octets outside UTF-8 under base64 or quoted-printable would need a second
 * encoding around the first.
 */
export function readContent(headers: HeaderBlock, message: Buffer): Content | undefined {
  const body = message.subarray(headers.bodyStart);
  if (body.length === 0 && !endsInEmptyLine(message)) return undefined;
  const typeValue = headers.first('content-type') ?? '';
  const type = parseContentType(typeValue);
  const encoding = readTransferEncoding(headers, type);
  const asItIs = encoding === undefined || IDENTITY.has(encoding);
  const described = describeType(typeValue, type);
  const fields = described === undefined ? {} : { 'content-type': described };

  const isText = isUtf8(body);
  if (asItIs && (!isText || body.includes(0))) {
    return { content: body.toString('base64'), ...fields, 'content-encoding': 'base64' };
  }
  if (!isText) return undefined;
  const content = body.toString('utf8');
  return encoding === undefined || encoding === '8bit'
    ? { content, ...fields }
    : { content, ...fields, 'content-encoding': encoding };
}

const endsInEmptyLine = (message: Buffer): boolean =>
  /(?:^|\n)\r?\n$/.test(message.toString('latin1', Math.max(0, message.length - 3)));

/** Encodings under which a body is stored as it is (RFC 2045 section 6.2). */
const IDENTITY: ReadonlySet<string> = new Set(['7bit', '8bit', 'binary']);

/** Encodings that mail software undoes; the uuencoded ones are from before MIME, and still met. */
const UNDONE: ReadonlySet<string> = new Set([
  ...['base64', 'quoted-printable'],
  ...['x-uuencode', 'x-uue', 'uuencode', 'x-yencode'],
]);

const TOKEN = /^[\w!#$%&'*+.^`{|}~-]{1,64}/;

/**
 * The Content-Transfer-Encoding in lower case; undefined when the message gives none that exists
 * (`utf-8` and `8-bit` are favourites). None means 7bit to RFC 2045, but software that leaves it out
 * sends 8bit as well; either way `content` is to be taken as it is, which is what a receiver does
 * without `content-encoding`, and what mail clients do with names that they do not know.
 */
function readTransferEncoding(headers: HeaderBlock, { type }: ContentType): string | undefined {
  const value = headers.first('content-transfer-encoding');
  if (value === undefined) return undefined;
  const encoding = TOKEN.exec(stripComments(value).trim().toLowerCase())?.[0];
  if (encoding === undefined || IDENTITY.has(encoding)) return encoding;
  if (!UNDONE.has(encoding)) return undefined;
  // "it is EXPRESSLY FORBIDDEN" to encode a multipart as a whole (RFC 2045 section 6.4), and readers
  // take no notice of senders that say they did.
  return type.startsWith('multipart/') ? undefined : encoding;
}

/** What a body cannot be read without. */
const NEEDED_PARAMETERS = ['boundary', 'charset', 'format', 'delsp', 'protocol'];

/**
 * The Content-Type value; undefined when it says no more than plain UTF-8 text. Cut to its limit,
 * unless that would take away what a receiver needs, such as the boundary of an encrypted message:
 * then whole, as "at the least the first 200 bytes" allows.
 */
function describeType(value: string, parsed: ContentType): string | undefined {
  if (value === '' || isPlainUtf8(parsed)) return undefined;
  const cut = truncateJsonString(value, MAX_CONTENT_TYPE_OCTETS);
  if (cut === value) return value;
  const { type, params } = parseContentType(cut);
  const readable =
    type === parsed.type &&
    NEEDED_PARAMETERS.every((name) => params.get(name) === parsed.params.get(name));
  return readable ? cut : value;
}

const PLAIN_PARAMETERS: ReadonlyMap<string, RegExp> = new Map([
  ['charset', /^(?:utf-?8|(?:us-)?ascii)$/i],
  ['format', /^fixed$/i],
]);

/** `format=flowed` is not plain: its line ends mean something else (RFC 3676). */
const isPlainUtf8 = ({ type, params }: ContentType): boolean =>
  type === 'text/plain' &&
  [...params].every(([name, value]) => PLAIN_PARAMETERS.get(name)?.test(value) === true);
