import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { InvalidInputError } from '../../../src/errors.ts';
import {
  findSubscriptionId,
  parseSubscriptionId,
} from '../../../src/webpush/subscriptions/subscription-id.ts';

describe('parseSubscriptionId', () => {
  describe('"MUST only contain ASCII alphanumeric or minus or underline characters"', () => {
    for (const id of ['0123456789', 'abcdefghij', '----------', '__________', 'a-b_c-d_e-1']) {
      it(`takes ${id}`, () => assert.equal(parseSubscriptionId(id), id));
    }
    const bad = [
      ' ',
      '.',
      '/',
      '/validate',
      '\0',
      '\n',
      '%',
      '+',
      '=',
      'é',
      'ß',
      'ſ',
      '\u212a',
      '１',
    ];
    for (const piece of bad) {
      it(`refuses ${JSON.stringify(piece)}`, () => {
        for (const id of [`${piece}0123456789`, `01234${piece}56789`, `0123456789${piece}`]) {
          assert.throws(() => parseSubscriptionId(id), InvalidInputError);
          assert.equal(findSubscriptionId(id), undefined);
        }
      });
    }
  });

  describe('"MUST be at least 10 and at most 36 characters long"', () => {
    const lengths: [length: number, good: boolean][] = [
      [0, false],
      [9, false],
      [10, true],
      [36, true],
      [37, false],
    ];
    for (const [length, good] of lengths) {
      it(`${good ? 'takes' : 'refuses'} ${length}`, () => {
        const id = 'x'.repeat(length);
        if (good) assert.equal(parseSubscriptionId(id), id);
        else assert.throws(() => parseSubscriptionId(id), InvalidInputError);
      });
    }
  });

  it('is the same ID in any case, because Dovecot lower-cases entry names', () => {
    assert.equal(parseSubscriptionId('ABCdef-0123'), 'abcdef-0123');
    assert.equal(findSubscriptionId('ABCdef-0123'), 'abcdef-0123');
  });

  it('throws nothing but InvalidInputError, and keeps the alphabet (10,000 cases)', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 50 }),
      fc.stringMatching(/^[0-9A-Za-z_-]{8,38}$/),
    );
    fc.assert(
      fc.property(text, (id) => {
        try {
          assert.match(parseSubscriptionId(id), /^[0-9a-z_-]{10,36}$/);
          assert.match(id, /^[0-9A-Za-z_-]{10,36}$/);
        } catch (error) {
          assert(error instanceof InvalidInputError, String(error));
          assert.doesNotMatch(id, /^[0-9A-Za-z_-]{10,36}$/);
        }
      }),
      { numRuns: 10_000 },
    );
  });
});
