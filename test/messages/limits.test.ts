import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findChatGroupId } from '../../src/messages/find-chat-group-id.ts';
import {
  MAX_ADDRESS_CHARS,
  MAX_FROM_FIELDS,
  MAX_FROM_OCTETS,
  MAX_GROUP_ID_OCTETS,
  MAX_HEADER_FIELDS,
  MAX_HEADER_OCTETS,
  MAX_MAILBOXES,
  MAX_MESSAGE_IDS,
  MAX_VALUE_OCTETS,
  MIN_GROUP_ID_CHARS,
} from '../../src/messages/limits.ts';
import { parseHeaderBlock } from '../../src/messages/parse-header-block.ts';
import { parseMailboxes } from '../../src/messages/parse-mailboxes.ts';
import { parseMessageIds } from '../../src/messages/parse-message-ids.ts';

const parse = (text: string) => parseHeaderBlock(Buffer.from(text));

describe('limits of messages', () => {
  /** `octets` of header, the last field being `last`; few fields, so that it is the octets that count. */
  const longHeader = (octets: number, last: string): string => {
    const first = `X: ${'x'.repeat(octets - last.length - 4)}\n`;
    return first + last;
  };

  test('MAX_HEADER_OCTETS: beyond, only fields that decide something are seen', () => {
    const at = longHeader(MAX_HEADER_OCTETS, 'X-Other: x\n');
    assert.equal(at.length, MAX_HEADER_OCTETS);
    assert.equal(parse(`${at}\nbody`).first('x-other'), 'x');
    const past = longHeader(MAX_HEADER_OCTETS + 1, 'X-Other: x\n');
    assert.equal(parse(`${past}\nbody`).first('x-other'), undefined);
  });

  const junk: [what: string, text: string][] = [
    ['1,000 fields', 'X: x\n'.repeat(MAX_HEADER_FIELDS)],
    ['more fields', 'X: x\r\n'.repeat(3 * MAX_HEADER_FIELDS)],
    ['256 KiB of one field', `X: ${'x'.repeat(MAX_HEADER_OCTETS)}\n`],
    ['2 MiB of one folded field', `X: x\n${' from: x\n'.repeat(2 * 131_072)}`],
    ['256 KiB of lines that are none', 'from \n'.repeat(MAX_HEADER_OCTETS / 6)],
  ];
  for (const [what, text] of junk) {
    test(`what decides something is read behind ${what}`, () => {
      const fields = [
        'Subject \t:\tx\r\n y\r\nCHAT-VERSION: 1.0\nSubject: other\n',
        'From: a@x\nMessage-ID:\n <1@x>\nFrom: b@x,\n\tc@x\nDate: d\n',
        'References: r\nReceived: v\nContent-Type: t\nContent-Transfer-Encoding: e\n',
      ].join('');
      const message = `${text}${fields}\nbody\nFrom: body@x\n\n`;
      const header = parse(message);
      assert.equal(header.first('subject'), 'x y');
      assert.ok(header.has('chat-version'));
      assert.equal(header.first('message-id'), '<1@x>');
      assert.deepEqual(header.senders(), ['a@x', 'b@x,\tc@x']);
      for (const [name, value] of [
        ['date', 'd'],
        ['references', 'r'],
        ['received', 'v'],
        ['content-type', 't'],
        ['content-transfer-encoding', 'e'],
      ] as const) {
        assert.equal(header.first(name), value);
      }
      assert.equal(message.slice(header.bodyStart), 'body\nFrom: body@x\n\n');
    });
  }

  test('MAX_FROM_FIELDS and MAX_FROM_OCTETS: one more shows that there is more', () => {
    for (const before of ['', 'X: x\n'.repeat(MAX_HEADER_FIELDS)]) {
      const header = parse(`${before}${'From: a@x\n'.repeat(100)}\n`);
      assert.equal(header.senders().length, MAX_FROM_FIELDS + 1);
      const long = (chars: number) => parse(`${before}From:${'a'.repeat(chars)}\n\n`).senders()[0];
      assert.equal(long(MAX_FROM_OCTETS)?.length, MAX_FROM_OCTETS);
      assert.equal(long(MAX_FROM_OCTETS + 9)?.length, MAX_FROM_OCTETS + 1);
    }
  });

  for (const lineEnd of ['\n', '\r\n']) {
    const name = JSON.stringify(lineEnd);
    test(`MAX_HEADER_OCTETS: the body behind a longer header is found (${name})`, () => {
      for (const octets of [-1, 0, 1, 2, 100].map((more) => MAX_HEADER_OCTETS + more)) {
        const message = `${longHeader(octets, `Subject: x${lineEnd}`)}${lineEnd}body\n\nmore\r\n\r\n`;
        assert.equal(message.slice(parse(message).bodyStart), 'body\n\nmore\r\n\r\n', `${octets}`);
      }
    });
  }

  test('MAX_HEADER_OCTETS: a longer header without an empty line has no body', () => {
    const message = longHeader(MAX_HEADER_OCTETS + 1, 'Subject: x\n');
    assert.equal(parse(message).bodyStart, message.length);
  });

  test('MAX_HEADER_FIELDS: that many fields are seen, whatever they are called', () => {
    const header = (fields: number) => `${'X: x\n'.repeat(fields - 1)}X-Other: x\n\nbody`;
    assert.equal(parse(header(MAX_HEADER_FIELDS)).first('x-other'), 'x');
    assert.equal(parse(header(MAX_HEADER_FIELDS + 1)).first('x-other'), undefined);
    const last = `${'X: x\n'.repeat(MAX_HEADER_FIELDS - 1)}Last: x\n`;
    const continued = `${last} more\nSubject: x\n more\n\nbody`;
    assert.equal(parse(continued).first('last'), 'x more');
    assert.equal(parse(continued).first('subject'), 'x more');
    assert.equal(continued.slice(parse(continued).bodyStart), 'body');
  });

  test('MAX_VALUE_OCTETS: a value of that length is whole, a longer one is cut', () => {
    const whole = 'x'.repeat(MAX_VALUE_OCTETS - 1);
    assert.equal(parse(`Subject:${whole}\n\n`).first('subject'), whole);
    assert.equal(parse(`Subject:${whole}yz\n\n`).first('subject'), `${whole}y`);
  });

  test('MAX_VALUE_OCTETS: the cut does not go through a UTF-8 sequence', () => {
    const ascii = 'x'.repeat(MAX_VALUE_OCTETS - 2);
    assert.equal(parse(`Subject:${ascii}ä\n\n`).first('subject'), `${ascii}ä`);
    assert.equal(parse(`Subject:${ascii}€\n\n`).first('subject'), ascii);
    assert.equal(parse(`Subject:${ascii}xä\n\n`).first('subject'), `${ascii}x`);
  });

  test('MAX_MESSAGE_IDS: that many ids are taken, no more', () => {
    const ids = (count: number) => Array.from({ length: count }, (_, id) => `<${id}@x>`).join(' ');
    assert.equal(parseMessageIds(ids(MAX_MESSAGE_IDS)).length, MAX_MESSAGE_IDS);
    assert.equal(parseMessageIds(ids(MAX_MESSAGE_IDS + 1)).length, MAX_MESSAGE_IDS);
    const words = (count: number) => 'a@x '.repeat(count);
    assert.equal(parseMessageIds(words(MAX_MESSAGE_IDS + 1)).length, MAX_MESSAGE_IDS);
  });

  test('MAX_MAILBOXES: that many addresses are taken, no more', () => {
    const list = (count: number) => Array.from({ length: count }, (_, id) => `${id}@x`).join(', ');
    assert.equal(parseMailboxes(list(MAX_MAILBOXES)).length, MAX_MAILBOXES);
    assert.equal(parseMailboxes(list(MAX_MAILBOXES + 1)).length, MAX_MAILBOXES);
  });

  test('MAX_ADDRESS_CHARS: an address that ends there is whole, a longer value is cut', () => {
    const list = (chars: number) => `${'a'.repeat(chars - 11)}@x, b@example`.slice(-chars);
    const whole = list(MAX_ADDRESS_CHARS);
    assert.equal(whole.length, MAX_ADDRESS_CHARS);
    assert.equal(parseMailboxes(whole).at(-1)?.address, 'b@example');
    assert.equal(parseMailboxes(`${whole}s`).at(-1)?.address, 'b@example');
  });

  test('MIN_GROUP_ID_CHARS and MAX_GROUP_ID_OCTETS', () => {
    const find = (chars: number) =>
      findChatGroupId(`<chat$group.${'g'.repeat(chars)}.1@x>`)?.length;
    assert.equal(find(MIN_GROUP_ID_CHARS - 1), undefined);
    assert.equal(find(MIN_GROUP_ID_CHARS), MIN_GROUP_ID_CHARS);
    assert.equal(find(MAX_GROUP_ID_OCTETS), MAX_GROUP_ID_OCTETS);
    assert.equal(find(MAX_GROUP_ID_OCTETS + 1), undefined);
  });
});
