import { parseContentType, type ContentType } from './parse-content-type.ts';
import { parseHeaderBlock } from './parse-header-block.ts';
import { stripComments } from './strip-comments.ts';

/** A receipt is short; so is what a mailing list or a gateway wraps it in. */
const MAX_OCTETS = 65_536;
/** Multiparts within multiparts: a list's footer around a signature around the report is three. */
const MAX_DEPTH = 4;
/** Parts that are looked at, of all multiparts together. */
const MAX_PARTS = 32;

/**
 * Whether a message is a disposition notification, as read receipts are, which nobody wants to be
 * woken by (webpush-spec, "Push Notification Payload"):
 *
 * - `multipart/report; report-type=disposition-notification` (RFC 8098 section 3);
 * - one with a part of type `message/disposition-notification` within its multiparts, whatever a
 *   gateway, a signature or a list's footer has made of the rest; not within a forwarded message;
 * - encrypted chat that says `Auto-Submitted: auto-replied`, as messengers' receipts do. Bots say
 *   `auto-generated`, and ordinary auto-replies are mail like any other.
 *
 * @param message whole or only its header
 * @param isChat whether the message has the keyword `$Chat`
 */
export function isDispositionNotification(message: Buffer, isChat = false): boolean {
  const headers = parseHeaderBlock(message);
  const value = headers.first('content-type');
  // Nearly every message ends here; taking the value apart costs twenty times as much.
  if (value === undefined || !/multipart|message|pkcs7/i.test(value)) return false;
  const content = parseContentType(value);
  if (isEncrypted(content) && (isChat || headers.has('chat-version'))) {
    return isAutoReplied(headers.first('auto-submitted'));
  }
  if (isReport(content)) return true;
  const body = message.subarray(headers.bodyStart, headers.bodyStart + MAX_OCTETS);
  return hasNotification(body.toString('latin1'), content, MAX_DEPTH, { parts: MAX_PARTS });
}

const isReport = ({ type, params }: ContentType): boolean =>
  type === 'message/disposition-notification' ||
  (type === 'multipart/report' &&
    params.get('report-type')?.trim().toLowerCase() === 'disposition-notification');

/** OpenPGP (RFC 3156 section 4) and S/MIME (RFC 8551 section 3.2). */
const isEncrypted = ({ type, params }: ContentType): boolean =>
  type === 'multipart/encrypted' ||
  (/^application\/(?:x-)?pkcs7-mime$/.test(type) &&
    params.get('smime-type')?.toLowerCase() !== 'signed-data');

/** RFC 3834 section 5: a keyword, and perhaps parameters. */
const isAutoReplied = (value = ''): boolean =>
  /^auto-replied(?:$|[\s;])/i.test(stripComments(value).trim());

/** @param budget what is left of {@link MAX_PARTS}; taken from */
function hasNotification(
  body: string,
  { type, params }: ContentType,
  depth: number,
  budget: { parts: number },
): boolean {
  const boundary = params.get('boundary');
  if (depth === 0 || !type.startsWith('multipart/') || boundary === undefined) return false;
  if (!/message\/disposition-notification/i.test(body)) return false;
  // RFC 2046 section 5.1.1: the boundary's line may end in blanks; what is before the first is no part.
  const literally = boundary.replaceAll(/\W/g, '\\$&');
  const delimiter = new RegExp(`\\n--${literally}(--)?[ \\t]*\\r?(?=\\n|$)`);
  const [, ...marksAndParts] = `\n${body}`.split(delimiter);
  for (let at = 0; at < marksAndParts.length; at += 2) {
    const [end, text = ''] = [marksAndParts[at], marksAndParts[at + 1]?.slice(1)];
    if (end !== undefined || budget.parts === 0) return false;
    budget.parts -= 1;
    const headers = parseHeaderBlock(Buffer.from(text, 'latin1'));
    const content = parseContentType(headers.first('content-type') ?? '');
    if (isReport(content)) return true;
    if (hasNotification(text.slice(headers.bodyStart), content, depth - 1, budget)) return true;
  }
  return false;
}
