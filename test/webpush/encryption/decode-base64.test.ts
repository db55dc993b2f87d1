import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeBase64 } from '../../../src/webpush/encryption/decode-base64.ts';

describe('decodeBase64', () => {
  const good: [text: string, hex: string][] = [
    ['', ''],
    ['-_8', 'fbff'],
    ['-_8=', 'fbff'],
    ['+/8', 'fbff'],
    ['+/8=', 'fbff'],
    ['AA', '00'],
    ['AA==', '00'],
    ['AAAA', '000000'],
    ['AAAA\n', '000000'],
    [' AAAA\r\n', '000000'],
    ['AAAA\nAA==\n', '00000000'],
  ];
  for (const [text, hex] of good) {
    it(`reads "${text}"`, () => assert.equal(decodeBase64(text)?.toString('hex'), hex));
  }

  const bad = ['A', 'AAAAA', 'AA=', 'AAA==', 'AAAA=', 'AAAA==', '=', '==', 'A===', 'AA=A'];
  for (const text of [...bad, 'AA A', 'AA\tAA', '+_AA', 'AA*A', 'ÄAAA', 'AA\0A']) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.equal(decodeBase64(text), undefined));
  }

  it('reads all four forms of any octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (octets) => {
        const base64 = Buffer.from(octets).toString('base64');
        const base64url = base64.replaceAll('+', '-').replaceAll('/', '_');
        for (const text of [base64, base64url]) {
          for (const form of [text, text.replace(/=+$/, '')]) {
            assert.deepEqual(decodeBase64(form), Buffer.from(octets));
          }
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
