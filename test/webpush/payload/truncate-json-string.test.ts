import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  ELLIPSIS,
  fitsJsonString,
  truncateJsonString,
} from '../../../src/webpush/payload/truncate-json-string.ts';

/** Octets within the quotes, counted by JSON.stringify itself. */
const octetsOf = (text: string) => Buffer.byteLength(JSON.stringify(text)) - 2;

describe('truncateJsonString', () => {
  const nines = 'x'.repeat(99);
  const cases: [what: string, text: string, kept: string][] = [
    ['100 octets', `${nines}y`, `${nines}y`],
    ['101 octets', `${nines}yz`, `${nines}y`],
    ['two octets of UTF-8 at the end', `${nines.slice(1)}ä`, `${nines.slice(1)}ä`],
    ['two octets of UTF-8 over the end', `${nines}ä`, nines],
    ['three octets of UTF-8 at the end', `${nines.slice(2)}€`, `${nines.slice(2)}€`],
    ['three octets of UTF-8 over the end', `${nines.slice(1)}€`, nines.slice(1)],
    ['U+07FF, the last of two octets', `${nines.slice(1)}\u07ff`, `${nines.slice(1)}\u07ff`],
    ['U+0800, the first of three', `${nines.slice(1)}\u0800`, nines.slice(1)],
    ['a surrogate pair at the end', `${nines.slice(3)}🦄`, `${nines.slice(3)}🦄`],
    ['a surrogate pair over the end', `${nines.slice(2)}🦄`, nines.slice(2)],
    ['a quote at the end', `${nines.slice(1)}"`, `${nines.slice(1)}"`],
    ['a quote over the end', `${nines}"`, nines],
    ['a backslash over the end', `${nines}\\`, nines],
    ['a line feed over the end', `${nines}\n`, nines],
    [String.raw`\u0001 at the end`, `${nines.slice(5)}\u0001`, `${nines.slice(5)}\u0001`],
    [String.raw`\u0001 over the end`, `${nines.slice(4)}\u0001`, nines.slice(4)],
    ['DEL, which is not escaped', `${nines}\u007f`, `${nines}\u007f`],
    ['escapes only', '"'.repeat(51), '"'.repeat(50)],
    ['nothing', '', ''],
  ];
  for (const [what, text, kept] of cases) {
    test(what, () => {
      assert.equal(truncateJsonString(text, 100), kept === text ? text : kept + ELLIPSIS);
      assert.equal(fitsJsonString(text, 100), kept === text);
    });
  }

  test('counts what JSON.stringify writes, cuts between characters, and no sooner than it must', () => {
    const text = fc.string({ unit: 'binary', maxLength: 60 });
    fc.assert(
      fc.property(text, fc.integer({ min: 0, max: 60 }), (whole, octets) => {
        const cut = truncateJsonString(whole, octets);
        assert.equal(fitsJsonString(whole, octets), octetsOf(whole) <= octets);
        if (octetsOf(whole) <= octets) {
          assert.equal(cut, whole);
          return;
        }
        assert.ok(cut.endsWith(ELLIPSIS) && cut.isWellFormed());
        const kept = cut.slice(0, -1);
        assert.ok(whole.startsWith(kept) && octetsOf(kept) <= octets);
        const next = String.fromCodePoint(whole.codePointAt(kept.length) as number);
        assert.ok(octetsOf(kept + next) > octets);
      }),
      { numRuns: 10_000 },
    );
  });
});
