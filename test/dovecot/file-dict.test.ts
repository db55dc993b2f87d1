import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatFileDict, parseFileDict, type DictEntry } from '../../src/dovecot/file-dict.ts';

const read = (text: string): [string, string][] =>
  parseFileDict(Buffer.from(text, 'latin1')).entries.map(({ key, value }) => [
    key,
    value.toString('latin1'),
  ]);

describe("the file of Dovecot's file: dict", () => {
  const cases: [name: string, file: string, entries: [string, string][]][] = [
    ['is empty', '', []],
    ['has a line with the key and a line with the value', 'priv/a\n1\n', [['priv/a', '1']]],
    [
      'may hold an empty value',
      'priv/a\n\npriv/b\n2\n',
      [
        ['priv/a', ''],
        ['priv/b', '2'],
      ],
    ],
    [
      'escapes what would end a line or a field',
      'priv/a\x01tb\nx\x01n\x01r\x01t\x011\x010y\n',
      [['priv/a\tb', 'x\n\r\t\x01\0y']],
    ],
    ['keeps octets that are no UTF-8 in a value', 'k\n\xff\xfe\x80\n', [['k', '\xff\xfe\x80']]],
    [
      'counts the last of two values',
      'k\n1\nl\n2\nk\n3\n',
      [
        ['k', '3'],
        ['l', '2'],
      ],
    ],
    ['takes CRLF for a line end', 'k\r\nv\r\n', [['k', 'v']]],
    ['drops a key without a value', 'k\nv\nlonely\n', [['k', 'v']]],
    ['drops a last line that was cut off', 'k\nv\nl\nhal', [['k', 'v']]],
  ];
  for (const [name, file, entries] of cases) {
    it(name, () => assert.deepEqual(read(file), entries));
  }

  it('counts keys that are no UTF-8 and leaves them out', () => {
    const { entries, unreadableKeys } = parseFileDict(Buffer.from('\xff\n1\nk\n2\n', 'latin1'));
    assert.equal(unreadableKeys, 1);
    assert.deepEqual(
      entries.map(({ key }) => key),
      ['k'],
    );
  });

  it('is written sorted by the octets of the keys', () => {
    const keys = ['\u{ff61}', 'b', '\u{10000}', 'a/', 'a'];
    const file = formatFileDict(keys.map((key) => ({ key, value: Buffer.from('v') })));
    const lines = file
      .toString()
      .split('\n')
      .filter((_, index) => index % 2 === 0);
    assert.deepEqual(lines, ['a', 'a/', 'b', '\u{ff61}', '\u{10000}', '']);
  });

  it('gives back whatever was written', () => {
    const entry = fc.record({
      key: fc.string({ unit: 'binary', minLength: 1 }).filter((key) => key.isWellFormed()),
      value: fc.uint8Array({ maxLength: 40 }).map((octets) => Buffer.from(octets)),
    });
    fc.assert(
      fc.property(fc.uniqueArray(entry, { selector: ({ key }) => key }), (entries: DictEntry[]) => {
        const file = formatFileDict(entries);
        const again = parseFileDict(file);
        assert.equal(again.unreadableKeys, 0);
        assert.deepEqual(
          new Map(again.entries.map(({ key, value }) => [key, value.toString('hex')])),
          new Map(entries.map(({ key, value }) => [key, value.toString('hex')])),
        );
        assert.deepEqual(formatFileDict(again.entries), file);
      }),
      { numRuns: 500 },
    );
  });
});
