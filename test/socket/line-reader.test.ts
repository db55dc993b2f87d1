import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { LineReader } from '../../src/socket/line-reader.ts';

interface Seen {
  lines: string[];
  tooLong: string[];
}

function read(chunks: readonly Buffer[], maxOctets = 1_000): Seen & { reader: LineReader } {
  const seen: Seen = { lines: [], tooLong: [] };
  const reader = new LineReader({
    maxOctets: () => maxOctets,
    onLine: (line) => seen.lines.push(line.toString('latin1')),
    onTooLong: (head) => seen.tooLong.push(head.toString('latin1')),
  });
  for (const chunk of chunks) reader.push(chunk);
  return { ...seen, reader };
}

const octets = (text: string) => Buffer.from(text, 'latin1');

describe('LineReader', () => {
  test('gives every line, wherever the chunks break', () => {
    const text = 'one\n\ntwo\r\n\xff\x00three\n';
    for (let cut = 0; cut <= text.length; cut++) {
      const { lines } = read([octets(text.slice(0, cut)), octets(text.slice(cut))]);
      assert.deepEqual(lines, ['one', '', 'two\r', '\xff\x00three'], `cut at ${cut}`);
    }
    assert.deepEqual(read(Array.from(text, octets)).lines.length, 4);
  });

  test('keeps a line without an end to itself', () => {
    const { lines, reader } = read([octets('half a li')]);
    assert.deepEqual(lines, []);
    assert.equal(reader.midLine, true);
    assert.equal(read([octets('whole\n')]).reader.midLine, false);
  });

  for (const pieces of [1, 2, 100]) {
    test(`takes a line of exactly the limit and refuses one octet more, in ${pieces} pieces`, () => {
      const cut = (text: string) => {
        const size = Math.ceil(text.length / pieces);
        return Array.from({ length: pieces }, (_, i) =>
          octets(text.slice(i * size, (i + 1) * size)),
        );
      };
      const fitting = read(cut(`${'a'.repeat(100)}\nnext\n`), 100);
      assert.deepEqual(fitting.lines, ['a'.repeat(100), 'next']);
      assert.deepEqual(fitting.tooLong, []);
      const beyond = read(cut(`${'a'.repeat(101)}\nnext\n`), 100);
      assert.deepEqual(beyond.lines, ['next']);
      assert.deepEqual(beyond.tooLong, ['a'.repeat(64)]);
    });
  }

  test('a line may be long because of how it begins', () => {
    const seen: Seen = { lines: [], tooLong: [] };
    const reader = new LineReader({
      maxOctets: (first) => (first === 0x53 ? 1_000 : 10),
      onLine: (line) => seen.lines.push(line.toString('latin1')),
      onTooLong: (head) => seen.tooLong.push(head.toString('latin1')),
    });
    const long = 'S'.repeat(1_000);
    for (const chunk of [`${long}\nL${long}\nL`, `${long}\nS`, `${long}\n\n`]) {
      reader.push(octets(chunk));
    }
    assert.deepEqual(seen.lines, [long, '']);
    assert.equal(seen.tooLong.length, 3);
  });

  test('what is dropped on demand is said to be too long, and none of it is kept', () => {
    const { lines, tooLong, reader } = read([octets('half a li')]);
    reader.drop();
    assert.equal(reader.kept, 0);
    reader.push(octets('ne\nnext\n'));
    assert.deepEqual([lines, tooLong], [['next'], ['half a li']]);
  });

  test('a line that comes octet by octet is not copied again and again', () => {
    const { lines, reader } = read([], 2_000_000);
    const octet = octets('x');
    let copied = 0;
    const concat = Buffer.concat.bind(Buffer);
    Buffer.concat = (pieces, length) => {
      const joined = concat(pieces, length);
      copied += joined.length;
      return joined;
    };
    try {
      for (let i = 0; i < 1_000_000; i++) reader.push(octet);
      reader.push(octets('\n'));
    } finally {
      Buffer.concat = concat;
    }
    assert.equal(lines[0]?.length, 1_000_000);
    assert.ok(copied < 40_000_000, `${copied} octets copied for a million`);
  });

  test('says that a line is too long before it ends, once, and keeps none of it', () => {
    const { tooLong, lines, reader } = read(Array(50).fill(octets('x'.repeat(50))), 100);
    assert.deepEqual([tooLong.length, lines.length, reader.midLine], [1, 0, true]);
    reader.push(octets('x\n'));
    assert.equal(reader.midLine, false);
  });

  test('gives back what stands behind the line it was stopped at', () => {
    const lines: string[] = [];
    const reader = new LineReader({
      maxOctets: () => 10,
      onLine(line) {
        lines.push(line.toString());
        if (line.length === 0) reader.stop();
      },
      onTooLong: () => assert.fail(),
    });
    assert.equal(reader.push(octets('head')).length, 0);
    assert.equal(reader.push(octets('er\n\nbody\n\nmore')).toString(), 'body\n\nmore');
    assert.equal(reader.push(octets('still\n')).toString(), 'still\n');
    assert.deepEqual(lines, ['header', '']);
  });

  test('agrees with split() on any text and any chunks', () => {
    const piece = fc.uint8Array({ maxLength: 12 }).map((piece) => {
      return Buffer.from(piece.map((octet) => (octet % 3 === 0 ? 0x0a : octet)));
    });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (chunks) => {
        const expected = Buffer.concat(chunks).toString('latin1').split('\n').slice(0, -1);
        const { lines, tooLong } = read(chunks, 6);
        assert.deepEqual(
          lines,
          expected.filter((line) => line.length <= 6),
        );
        assert.ok(tooLong.length >= expected.filter((line) => line.length > 6).length);
      }),
      { numRuns: 10_000 },
    );
  });
});
