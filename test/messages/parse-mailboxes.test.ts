import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseAddressHeader } from 'mailparser';
import { cleanText } from '../../src/messages/clean-text.ts';
import { findSender, parseMailboxes } from '../../src/messages/parse-mailboxes.ts';

describe('findSender', () => {
  const cases: [value: string, name: string, address: string][] = [
    ['alice@example.org', '', 'alice@example.org'],
    ['<alice@example.org>', '', 'alice@example.org'],
    ['Alice <alice@example.org>', 'Alice', 'alice@example.org'],
    ['Alice Angel<Alice@Example.ORG>', 'Alice Angel', 'Alice@Example.ORG'],
    ['"Angel, Alice" <alice@example.org>', 'Angel, Alice', 'alice@example.org'],
    [String.raw`"Alice \"Al\" Angel" <a@x>`, 'Alice "Al" Angel', 'a@x'],
    ['Angel, Alice <a@x>', 'Angel, Alice', 'a@x'],
    ['alice@example.org (Alice)', 'Alice', 'alice@example.org'],
    ['=?utf-8?Q?J=C3=B6rg?= <j@x>', 'Jörg', 'j@x'],
    ['"=?utf-8?Q?J=C3=B6rg?=" <j@x>', 'Jörg', 'j@x'],
    ['=?iso-8859-1?Q?J=F6rg?= =?iso-8859-1?Q?_M=2E?= <j@x>', 'Jörg M.', 'j@x'],
    // A name that looks like an address stays a name.
    ['"ceo@bank.example" <eve@evil.example>', 'ceo@bank.example', 'eve@evil.example'],
    [
      '=?utf-8?B?Y2VvQGJhbmsuZXhhbXBsZQ==?= <eve@evil.example>',
      'ceo@bank.example',
      'eve@evil.example',
    ],
    ['"a@evil.example"@good.example', '', '"a@evil.example"@good.example'],
    ['Jörg <jörg@bücher.example>', 'Jörg', 'jörg@bücher.example'],
    ['j@xn--bcher-kva.example', '', 'j@xn--bcher-kva.example'],
    ['a@[IPv6:2001:db8::1]', '', 'a@[IPv6:2001:db8::1]'],
    ['Alice <a@x>, Bob <b@y>', 'Alice', 'a@x'],
    ['My Crew: Alice <a@x>, Bob <b@y>;', 'Alice', 'a@x'],
    ['Nobody, <>, Alice <a@x>', 'Alice', 'a@x'],
    ['Me Myself', 'Me Myself', ''],
    ['=?utf-8?Q?two=0D=0Alines=00?= <a@x>', 'two lines', 'a@x'],
  ];
  for (const [value, name, address] of cases) {
    test(JSON.stringify(value), () => assert.deepEqual(findSender(value), { name, address }));
  }
  for (const value of [undefined, '', 'undisclosed-recipients:;', ',,']) {
    test(`nobody: ${JSON.stringify(value)}`, () => assert.equal(findSender(value), undefined));
  }
});

describe('parseMailboxes', () => {
  test('the short cut for usual values gives what the parser gives', () => {
    const piece = fc.constantFrom(
      ...[
        '"',
        '<',
        '>',
        ' ',
        'a',
        'Bob',
        '.',
        '@',
        'x@y.z',
        'ö',
        '🦄',
        '(c)',
        '-',
        '+',
        '=',
        '?',
        "'",
      ],
      ...[
        '_',
        '&',
        '\u00a0',
        '=?utf-8?q?J=C3=B6?=',
        '=?utf-8?B?YUBiLmM=?=',
        '<a.b+c@d-e.f>',
        ',',
        ':',
      ],
    );
    const name = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(name, (before) => {
        const value = `${before}<a.b@c.d>`.trim();
        const parsed = parseAddressHeader(value, { flatten: true, decodePunycode: false }).value;
        const expected = parsed.map((one) => ({
          name: cleanText(one.name),
          address: one.address ?? '',
        }));
        assert.deepEqual(parseMailboxes(value), expected.slice(0, 16));
      }),
      { numRuns: 5_000 },
    );
  });

  test('a hostile value of full length takes no long time', () => {
    const started = performance.now();
    for (const unit of ['@', '"', '(', '<', 'a@b ', '\\', '=?a?B?']) {
      parseMailboxes(unit.repeat(16_384));
    }
    assert.ok(performance.now() - started < 1_000);
  });
});
