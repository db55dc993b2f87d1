import { dateToRfc3339 } from '../messages/date-to-rfc3339.ts';
import { decodeHeaderText } from '../messages/decode-header-text.ts';
import { parseHeaderBlock, type HeaderBlock } from '../messages/parse-header-block.ts';
import type { Resembles } from '../messages/recent-messages.ts';
import type { MessageNewEvent } from './event-schema.ts';

/**
 * Tells whether a message that was seen before it was stored is the one of an event.
 *
 * LMTP writes its session into the message, and the event has it too: that decides. dovecot-lda does
 * not, nor does an lmtp that was told to add no Received field; From, Subject and Date decide then,
 * as far as that goes.
 *
 * @param session that of the transaction in which the event came; older scripts do not tell it
 */
export function resemblesEvent(event: MessageNewEvent, session: string | undefined): Resembles {
  // "wO4MOMgACmvlagAAg+zDdQ:R2": the second recipient's (lmtp-recipient.c); the message has no suffix
  const transaction = session?.replace(/:R\d+$/, '');
  return (kept) => {
    const headers = parseHeaderBlock(kept);
    const written = lmtpSession(headers);
    if (written !== undefined && transaction) return written === transaction ? 'surely' : 'not';
    return hasFieldsOf(headers, event) ? 'likely' : 'not';
  };
}

/** `Received: from a by b\n\twith LMTP id wO4MOMgACmvlagAAg+zDdQ\n\t(envelope-from <c>) …` */
const lmtpSession = (headers: HeaderBlock): string | undefined =>
  /\swith \w*LMTP\w*\s+id (\S+)/.exec(headers.first('received') ?? '')?.[1];

function hasFieldsOf(headers: HeaderBlock, event: MessageNewEvent): boolean {
  const date = dateToRfc3339(headers.first('date') ?? '');
  return (
    isSameText(headers.first('from'), event.from) &&
    isSameText(decodeHeaderText(headers.first('subject') ?? ''), event.subject) &&
    (date === undefined ? 0 : Date.parse(date) / 1_000) === (event.date ?? 0)
  );
}

const isSameText = (one = '', other = ''): boolean => inOneLine(one) === inOneLine(other);

const inOneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();
