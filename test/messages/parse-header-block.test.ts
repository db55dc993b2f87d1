import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseHeaderBlock } from '../../src/messages/parse-header-block.ts';

const parse = (text: string) => parseHeaderBlock(Buffer.from(text));
const bodyOf = (text: string) => text.slice(parse(text).bodyStart);

describe('parseHeaderBlock', () => {
  const values: [what: string, header: string, value: string | undefined][] = [
    ['a plain field', 'Subject: Hello\n\n', 'Hello'],
    ['another letter case', 'SUBJECT: Hello\n\n', 'Hello'],
    ['CRLF', 'Subject: Hello\r\n\r\n', 'Hello'],
    ['no white space', 'Subject:Hello\n\n', 'Hello'],
    ['white space at both ends', 'Subject: \t Hello \t\r\n\r\n', 'Hello'],
    ['white space before the colon', 'Subject \t: Hello\n\n', 'Hello'],
    ['folding with a space', 'Subject: Hello\n World\n\n', 'Hello World'],
    ['folding with a tab and CRLF', 'Subject: Hello\r\n\tWorld\r\n\r\n', 'Hello\tWorld'],
    ['folding right after the colon', 'Subject:\n Hello\n\n', 'Hello'],
    ['a folded line of white space only', 'Subject: Hello\n \n World\n\n', 'Hello  World'],
    ['an empty value', 'Subject:\nTo: x\n\n', ''],
    ['no field of that name', 'To: x\n\n', undefined],
    ['a longer name', 'Subjects: x\n\n', undefined],
    ['a shorter name', 'Subj: x\n\n', undefined],
    ['a name in the body', 'To: x\n\nSubject: Hello\n', undefined],
    ['no empty line', 'To: x\nSubject: Hello', 'Hello'],
    ['no empty line, but a final line end', 'To: x\nSubject: Hello\n', 'Hello'],
    ['a field after a line of junk', 'junk\nSubject: Hello\n\n', 'Hello'],
    ['junk with a continuation', 'Subject: Hello\njunk\n more\n\n', 'Hello'],
    ['a nameless field with a continuation', 'Subject: Hello\n: x\n more\n\n', 'Hello'],
    ['white space at the very start', ' x\nSubject: Hello\n\n', 'Hello'],
    ['an mbox line', 'From alice Thu Dec 5 2019\nSubject: Hello\n\n', 'Hello'],
    ['the first of several', 'Subject: one\nsubject: two\n\n', 'one'],
    ['a bare CR, which ends no line', 'Subject: a\rb\n\n', 'a\rb'],
    ['a NUL', 'Subject: a\0b\n\n', 'a\0b'],
    ['UTF-8', 'Subject: Grüße 🦄\n\n', 'Grüße 🦄'],
    ['nothing at all', '', undefined],
    ['an empty header', '\nSubject: Hello\n', undefined],
  ];
  for (const [what, header, value] of values) {
    test(`value: ${what}`, () => {
      assert.equal(parse(header).first('subject'), value);
      assert.equal(parse(header).has('subject'), value !== undefined);
    });
  }

  test('value: octets outside UTF-8 are read as windows-1252', () => {
    const header = parseHeaderBlock(Buffer.from('Subject: Gr\xfc\xdfe \x80\n\n', 'latin1'));
    assert.equal(header.first('subject'), 'Grüße €');
  });

  test('the first of a name counts', () => {
    const header = parse('Y: 2\nx: 3\n 4\nX: 1\nX:\n\nX: body\n');
    assert.equal(header.first('x'), '3 4');
    assert.equal(header.first('z'), undefined);
  });

  test('hyphens and digits are part of names', () => {
    assert.equal(parse('X-Test-1: y\n\n').first('x-test-1'), 'y');
    // Only letters have a case: CR is not the upper case of the hyphen.
    assert.equal(parse('X\rTest-1: y\n\n').first('x-test-1'), undefined);
    assert.equal(parse('X-Test-\x11: y\n\n').first('x-test-1'), undefined);
  });

  const bodies: [what: string, message: string, body: string][] = [
    ['after LF', 'A: b\n\nbody\n', 'body\n'],
    ['after CRLF', 'A: b\r\n\r\nbody\r\n', 'body\r\n'],
    ['after mixed line ends', 'A: b\r\n\nbody', 'body'],
    ['with empty lines at its start', 'A: b\n\n\n\nbody', '\n\nbody'],
    ['without a header', '\nbody', 'body'],
    ['empty', 'A: b\n\n', ''],
    ['absent', 'A: b\n', ''],
    ['absent, and no line end', 'A: b', ''],
    ['not begun by a line of white space', 'A: b\n \nC: d\n\nbody', 'body'],
    ['not begun by a bare CR', 'A: b\n\rC: d\n\nbody', 'body'],
  ];
  for (const [what, message, body] of bodies) {
    test(`body: ${what}`, () => assert.equal(bodyOf(message), body));
  }

  test('any octets give some header, and its values are well-formed', () => {
    const octets = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(fc.constantFrom('A', ':', ' ', '\t', '\r', '\n', '\xe4', '\0'), { maxLength: 30 }),
    );
    fc.assert(
      fc.property(octets, (input) => {
        const raw = Array.isArray(input)
          ? Buffer.from(input.join(''), 'latin1')
          : Buffer.from(input);
        const header = parseHeaderBlock(raw);
        assert.ok(header.bodyStart >= 0 && header.bodyStart <= raw.length);
        const value = header.first('a') ?? '';
        assert.ok(value.isWellFormed());
        assert.doesNotMatch(value, /^[ \t\r\n]|[ \t\r\n]$|\n/);
      }),
      { numRuns: 5_000 },
    );
  });
});
