import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MAX_TOKEN_OCTETS } from '../../../src/webpush/subscriptions/subscription-limits.ts';
import {
  createValidationToken,
  formatValidationPayload,
  hashToken,
  matchesToken,
} from '../../../src/webpush/validation/validation-token.ts';

describe('validation tokens', () => {
  it('"a text with a maximum size of 1kB" that needs no quoting anywhere', () => {
    const token = createValidationToken();
    assert(Buffer.byteLength(token) <= MAX_TOKEN_OCTETS);
    assert.match(token, /^[0-9A-Za-z_-]+$/);
  });

  it('hold at least 128 random bits, all of them from the source', () => {
    let asked = 0;
    const token = createValidationToken((octets) => {
      asked = octets;
      return Buffer.alloc(octets, 0xa5);
    });
    assert(asked * 8 >= 128);
    assert.deepEqual(Buffer.from(token, 'base64url'), Buffer.alloc(asked, 0xa5));
  });

  it('are never the same', () => {
    assert.equal(new Set(Array.from({ length: 1_000 }, () => createValidationToken())).size, 1_000);
  });

  it('"a simple Application/JSON payload that contains the single validation element"', () => {
    assert.equal(formatValidationPayload('abc$123$'), '{"validation":"abc$123$"}');
  });

  it('match their own hash, whether they come as text or octets', () => {
    const token = createValidationToken();
    assert.equal(matchesToken(token, hashToken(token)), true);
    assert.equal(matchesToken(Buffer.from(token), hashToken(token)), true);
    assert(!hashToken(token).includes(token));
  });

  const token = 'dG9rZW4-dG9rZW4_dG9rZW4';
  const wrong = [
    '',
    ' ',
    token.slice(1),
    token.slice(0, -1),
    `${token} `,
    `${token}\n`,
    `"${token}"`,
  ];
  for (const value of [...wrong, token.toLowerCase(), hashToken(token), 'x'.repeat(65_536)]) {
    it(`do not match ${JSON.stringify(value.slice(0, 50))} (${value.length})`, () =>
      assert.equal(matchesToken(value, hashToken(token)), false));
  }

  it('match no damaged hash', () => {
    for (const hash of ['', 'x', hashToken(token).slice(2), `${hashToken(token)}AA`]) {
      assert.equal(matchesToken(token, hash), false);
    }
  });
});
