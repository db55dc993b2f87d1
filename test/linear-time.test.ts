import { describe, test } from 'node:test';
import { senderHashes } from '../src/coi/blocked-contact.ts';
import { examineMessage } from '../src/coi/examine-message.ts';
import { formatFileDict, parseFileDict } from '../src/dovecot/file-dict.ts';
import { splitTabEscaped, tabEscape } from '../src/dovecot/tab-escaping.ts';
import { parseTransaction } from '../src/events/event-schema.ts';
import { resemblesEvent } from '../src/events/resembles-event.ts';
import { cleanText } from '../src/messages/clean-text.ts';
import { dateToRfc3339 } from '../src/messages/date-to-rfc3339.ts';
import { decodeHeaderText } from '../src/messages/decode-header-text.ts';
import { findChatGroupId } from '../src/messages/find-chat-group-id.ts';
import { normaliseAddress } from '../src/messages/normalise-address.ts';
import { parseContentType } from '../src/messages/parse-content-type.ts';
import { parseHeaderBlock } from '../src/messages/parse-header-block.ts';
import { findSender } from '../src/messages/parse-mailboxes.ts';
import { parseMessageIds } from '../src/messages/parse-message-ids.ts';
import { scanAddresses } from '../src/messages/scan-addresses.ts';
import { stripComments } from '../src/messages/strip-comments.ts';
import { toStoredLineEnds } from '../src/messages/to-stored-line-ends.ts';
import { summarizeAnswer } from '../src/webpush/client/summarize-answer.ts';
import { parseRetryAfter } from '../src/webpush/outcome/parse-retry-after.ts';
import { buildMessagePayload } from '../src/webpush/payload/build-message-payload.ts';
import { readContent } from '../src/webpush/payload/read-content.ts';
import { truncateJsonString } from '../src/webpush/payload/truncate-json-string.ts';
import { decodeBase64 } from '../src/webpush/encryption/decode-base64.ts';
import { parseSubscription } from '../src/webpush/subscriptions/parse-subscription.ts';
import { assertLinear } from './support/growth.ts';

const target = `/${'abcdefgh/'.repeat(50)}`;
const endpoint = { url: new URL(`https://push.example${target}`), target };

/** What reads text that others wrote, octets being given as their characters. */
const readers: Record<string, (text: string) => unknown> = {
  summarizeAnswer: (text) => summarizeAnswer(Buffer.from(text), endpoint),
  parseRetryAfter: (text) => parseRetryAfter(text, 0),
  senderHashes: (text) => senderHashes([text]),
  scanAddresses: (text) => scanAddresses(text, 1e9),
  findSender,
  parseMessageIds: (text) => parseMessageIds(text),
  findChatGroupId: (text) => findChatGroupId(text, text),
  stripComments,
  dateToRfc3339,
  decodeHeaderText,
  parseContentType,
  cleanText,
  normaliseAddress,
  truncateJsonString: (text) => truncateJsonString(text.toWellFormed(), 1e9),
  parseHeaderBlock: (text) => parseHeaderBlock(Buffer.from(text)),
  examineMessage: (text) => examineMessage(Buffer.from(text)),
  'the fields that matter': (text) =>
    buildMessagePayload(
      Buffer.from(
        ['From', 'Subject', 'Date', 'Message-ID', 'References', 'Content-Type']
          .map((name) => `${name}: ${text}\n`)
          .join(''),
      ),
      { mailbox: 'INBOX', uid: 1, uidvalidity: 1 },
    ),
  readContent: (text) => {
    const message = Buffer.from(`Content-Type: ${text}\nContent-Transfer-Encoding: ${text}\n\nx`);
    return readContent(parseHeaderBlock(message), message);
  },
  toStoredLineEnds: (text) => toStoredLineEnds(Buffer.from(text)),
  resemblesEvent: (text) =>
    resemblesEvent(
      { event: 'MessageNew', mailbox: 'INBOX', uid: 1, uidvalidity: 1, from: text, subject: text },
      text,
    )(Buffer.from(`Received: ${text}\nFrom: ${text}\nSubject: ${text}\n\n`)),
  parseTransaction: (text) => parseTransaction(Buffer.from(text)),
  'a subject in a transaction': (text) =>
    parseTransaction(
      Buffer.from(
        JSON.stringify({
          user: 'anna',
          events: [{ event: 'MessageNew', mailbox: 'x', uid: 1, uidvalidity: 1, from: text }],
        }),
      ),
    ),
  parseFileDict: (text) => formatFileDict(parseFileDict(Buffer.from(text)).entries),
  splitTabEscaped: (text) => splitTabEscaped(tabEscape(Buffer.from(text))),
  decodeBase64,
  parseSubscription: (text) => {
    try {
      return parseSubscription(Buffer.from(text), () => undefined);
    } catch {
      return undefined;
    }
  },
};

const units = [
  ...[
    '<',
    '>',
    '(',
    ')',
    '"',
    '\\',
    '@',
    ',',
    ';',
    ':',
    '=',
    '/',
    ' ',
    '\t',
    '\n',
    '\r\n',
    '.',
    'a',
  ],
  ...['<a', '(a', '()', '((a)', '"a', '\\"', 'a@', 'a@b ', 'a@b,', 'a:', '<a@b>', '@a,', '[', '[a'],
  ...['=?', '=?a?B?', '=?utf-8?q?=41?=', '=?utf-8?q?=41?= ', '=?utf-8?b?4p?= ', '=?x?q?_?='],
  ...[
    'http://',
    'https://a ',
    '<!--',
    '{"',
    '[1,',
    '\u0000',
    '\u0001',
    '%',
    '1',
    ' 1',
    '-',
    'a;a=',
    ';a*0=',
  ],
  ...[
    'a\n',
    'From: a\n',
    ' a\n',
    ':\n',
    'from\n',
    'From \t',
    'a=b;',
    '; a="',
    'xn--',
    '.xn--a',
    'ü',
    '🦄',
    '\ud800',
  ],
];

describe('takes time in proportion to what others wrote', () => {
  for (const [name, read] of Object.entries(readers)) {
    test(name, () => {
      for (const unit of units) {
        const make = (length: number): string => unit.repeat(Math.ceil(length / unit.length));
        assertLinear(`${name} of ${JSON.stringify(unit)}`, read, make);
        assertLinear(`${name} of a, ${JSON.stringify(unit)}, x`, read, (n) => `a${make(n)} x`);
      }
    });
  }
});
