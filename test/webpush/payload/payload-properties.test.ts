import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  buildMessagePayload,
  type BuiltPayload,
} from '../../../src/webpush/payload/build-message-payload.ts';
import {
  MAX_FOLDER_OCTETS,
  MAX_PLAINTEXT_OCTETS,
  MAX_TEXT_OCTETS,
  MIN_PLAINTEXT_OCTETS,
} from '../../../src/webpush/payload/payload.ts';
import { ELLIPSIS } from '../../../src/webpush/payload/truncate-json-string.ts';

const octetsOf = (text: string) => Buffer.byteLength(JSON.stringify(text)) - 2;

const octets = fc
  .array(fc.integer({ min: 0, max: 255 }), { maxLength: 40 })
  .map((bytes) => Buffer.from(bytes));
/** What breaks parsers: delimiters, escapes, half sequences, whole characters of every length. */
const spice = fc
  .array(
    fc.constantFrom(
      ...[' ', '\r\n ', '\n\t', '"', '\\', '<', '>', '(', ')', '@', ':', ';', ',', '=', '%', '\0'],
      ...[
        '=?',
        '?=',
        '=?utf-8?q?',
        '=?utf-16?B?2D0=?=',
        '=?utf-8?B?8J+m?=',
        'ä',
        '€',
        '🦄',
        '\u0001',
      ],
      ...[
        'chat$',
        'chat$group.123456789012.',
        'a@b',
        'multipart/',
        'text/plain',
        'charset=',
        'boundary=',
      ],
      ...[
        'report',
        "; x*0*=utf-8''%20",
        '4 Dec 2019 1:00 +0100',
        'base64',
        'xxxxxxxxxxxxxxxxxxxxxxxx',
      ],
    ),
    { maxLength: 30 },
  )
  .map((parts) => Buffer.from(parts.join('')));
const value = fc.oneof(
  spice,
  octets,
  fc.string({ unit: 'binary', maxLength: 150 }).map((s) => Buffer.from(s)),
);
const name = fc.constantFrom(
  ...['From', 'Subject', 'Date', 'Message-ID', 'References', 'Content-Type'],
  ...['Content-Transfer-Encoding', 'Chat-Version', ''],
);
const field = fc
  .tuple(name, value, fc.constantFrom('\n', '\r\n', '\r', ''))
  .map(([fieldName, content, end]) =>
    Buffer.concat([Buffer.from(`${fieldName}: `), content, Buffer.from(end)]),
  );
const body = fc
  .tuple(value, fc.nat({ max: 250 }), fc.constantFrom('x', '"', 'ä', '\u0001', '\n'))
  .map(([start, count, filler]) => Buffer.concat([start, Buffer.from(filler.repeat(count * 20))]));
const message = fc.oneof(
  octets,
  fc
    .tuple(fc.array(field, { maxLength: 7 }), fc.constantFrom('\n', '\r\n', '\n\n', ''), body)
    .map(([fields, separator, rest]) => Buffer.concat([...fields, Buffer.from(separator), rest])),
);
const place = fc.record({
  mailbox: fc.string({ unit: 'binary', maxLength: 120 }),
  uid: fc.integer({ min: 1, max: 4_294_967_295 }),
  uidvalidity: fc.integer({ min: 1, max: 4_294_967_295 }),
});
const limit = fc.oneof(
  fc.constant(MAX_PLAINTEXT_OCTETS),
  fc.integer({ min: MIN_PLAINTEXT_OCTETS, max: MAX_PLAINTEXT_OCTETS }),
);

function check({ payload, json }: BuiltPayload, maxOctets: number, raw: Buffer): void {
  assert.deepEqual(JSON.parse(json), payload);
  assert.ok(Buffer.byteLength(json) <= maxOctets, `${Buffer.byteLength(json)} > ${maxOctets}`);
  for (const [name, text] of Object.entries(payload)) {
    if (typeof text !== 'string') continue;
    assert.ok(text.isWellFormed());
    if (name !== 'content') assert.notEqual(text, '');
  }
  for (const name of ['from-email', 'from-name', 'subject', 'msg-id'] as const) {
    const text = payload[name] ?? '';
    const kept = octetsOf(text) > MAX_TEXT_OCTETS ? text.slice(0, -1) : text;
    assert.ok(octetsOf(kept) <= MAX_TEXT_OCTETS && (kept === text || text.endsWith(ELLIPSIS)));
  }
  assert.ok(octetsOf(payload.folder ?? '') <= MAX_FOLDER_OCTETS);
  assert.match(payload['group-id'] ?? 'x'.repeat(12), /^[0-9A-Za-z_-]{12,128}$/);
  if (payload.date !== undefined) {
    assert.match(payload.date, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$/);
    assert.ok(!Number.isNaN(Date.parse(payload.date)));
  }
  if (payload.content === undefined) {
    assert.ok(!('content-type' in payload) && !('content-encoding' in payload));
    return;
  }
  // What a receiver gets back is the end of the message, octet for octet.
  const plain = Buffer.from(payload.content);
  const decoded = Buffer.from(payload.content, 'base64');
  const end = (octets: number): Buffer => raw.subarray(Math.max(0, raw.length - octets));
  assert.ok(end(plain.length).equals(plain) || end(decoded.length).equals(decoded));
}

test('any octets as message give JSON within the limit, each field within its own', () => {
  let withContent = 0;
  let asBase64 = 0;
  fc.assert(
    fc.property(message, place, limit, (raw, where, maxOctets) => {
      const built = buildMessagePayload(raw, where, maxOctets);
      check(built, maxOctets, raw);
      if (built.payload.content !== undefined) withContent++;
      if (built.payload['content-encoding'] === 'base64') asBase64++;
    }),
    { numRuns: 20_000 },
  );
  // The generators must reach what they are for.
  assert.ok(
    withContent > 2_000 && asBase64 > 200,
    `${withContent} with content, ${asBase64} base64`,
  );
});

test('any summary gives JSON within the limit, each field within its own', () => {
  const text = fc.option(fc.string({ unit: 'binary', maxLength: 150 }), { nil: undefined });
  const summary = fc
    .record({
      fromEmail: text,
      fromName: text,
      subject: text,
      messageId: text,
      date: fc.option(fc.record({ seconds: fc.double(), offset: fc.double() }), { nil: undefined }),
    })
    .map((all) => Object.fromEntries(Object.entries(all).filter(([, one]) => one !== undefined)));
  fc.assert(
    fc.property(summary, place, limit, (known, where, maxOctets) => {
      check(buildMessagePayload(known, where, maxOctets), maxOctets, Buffer.alloc(0));
    }),
    { numRuns: 5_000 },
  );
});
