import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  escapedLength,
  splitTabEscaped,
  tabEscape,
  tabUnescape,
  writeEscaped,
} from '../../src/dovecot/tab-escaping.ts';

const octets = (text: string) => Buffer.from(text, 'latin1');
const value = fc
  .uint8Array({ maxLength: 24 })
  // Half of the octets from those that matter.
  .map((array) => Buffer.from(array.map((octet) => (octet < 128 ? octet % 14 : octet))));

describe('tab escaping (Dovecot src/lib/strescape.c)', () => {
  const table: [plain: string, escaped: string][] = [
    ['', ''],
    ['plain', 'plain'],
    ['\x00', '\x010'],
    ['\x01', '\x011'],
    ['\t', '\x01t'],
    ['\r', '\x01r'],
    ['\n', '\x01n'],
    ['a\tb\nc\x01d\xff', 'a\x01tb\x01nc\x011d\xff'],
    ['\x01t', '\x011t'],
    ['\x02\x0b\x0c\x1f\x7f', '\x02\x0b\x0c\x1f\x7f'],
  ];
  for (const [plain, escaped] of table) {
    test(`${JSON.stringify(plain)} is written as ${JSON.stringify(escaped)}`, () => {
      assert.equal(tabEscape(octets(plain)).toString('latin1'), escaped);
      assert.equal(tabUnescape(octets(escaped)).toString('latin1'), plain);
      assert.equal(escapedLength(octets(plain)), escaped.length);
    });
  }

  test('an unknown letter stands for itself, a lone escape at the end for nothing', () => {
    assert.equal(tabUnescape(octets('a\x01xb\x01')).toString(), 'axb');
    assert.equal(tabUnescape(octets('\x01')).length, 0);
  });

  test('copies nothing when there is nothing to escape', () => {
    const plain = octets('plain');
    assert.equal(tabEscape(plain), plain);
    assert.equal(tabUnescape(plain), plain);
  });

  test('fields keep their emptiness and their place', () => {
    const fields = (line: string, start?: number) =>
      splitTabEscaped(octets(line), start).map((field) => field.toString('latin1'));
    assert.deepEqual(fields(''), ['']);
    assert.deepEqual(fields('\t'), ['', '']);
    assert.deepEqual(fields('Lkey\tuser', 1), ['key', 'user']);
    assert.deepEqual(fields('a\x01tb\tc\x01n'), ['a\tb', 'c\n']);
    assert.deepEqual(fields('\x01t\tx\t', 0), ['\t', 'x', '']);
  });

  test('any octets come back, and no escaped text could end a field or a line', () => {
    fc.assert(
      fc.property(value, (plain) => {
        const escaped = tabEscape(plain);
        assert.equal(escaped.length, escapedLength(plain));
        assert.ok(!escaped.some((octet) => [0x00, 0x09, 0x0a, 0x0d].includes(octet)));
        assert.ok(tabUnescape(escaped).equals(plain));
      }),
      { numRuns: 30_000 },
    );
  });

  test('any fields come back from one line', () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 5 }), (plain) => {
        const line = Buffer.from(
          plain.map((field) => tabEscape(field).toString('latin1')).join('\t'),
          'latin1',
        );
        assert.deepEqual(splitTabEscaped(line).map(String), plain.map(String));
      }),
      { numRuns: 15_000 },
    );
  });

  test('any text is unescaped as a second reading of the rules does it', () => {
    const letters: Record<string, string> = { 0: '\0', 1: '\x01', t: '\t', r: '\r', n: '\n' };
    fc.assert(
      fc.property(value, (field) => {
        const expected = field
          .toString('latin1')
          .replace(/\x01([^]?)/g, (_, letter: string) => letters[letter] ?? letter); // eslint-disable-line no-control-regex
        assert.equal(tabUnescape(field).toString('latin1'), expected);
      }),
      { numRuns: 30_000 },
    );
  });

  test('writes in the middle of a buffer and nowhere else', () => {
    const target = Buffer.from('........');
    assert.equal(writeEscaped(target, 2, octets('a\t')), 5);
    assert.equal(target.toString('latin1'), '..a\x01t...');
  });
});
