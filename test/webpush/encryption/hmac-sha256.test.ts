import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hmacSha256 } from '../../../src/webpush/encryption/hmac-sha256.ts';

describe('hmacSha256', () => {
  it('is what createHmac gives, for keys of up to 64 octets', () => {
    const octets = (max: number) =>
      fc.uint8Array({ maxLength: max }).map((array) => Buffer.from(array));
    fc.assert(
      fc.property(octets(64), fc.array(octets(150), { maxLength: 4 }), (key, message) => {
        const expected = createHmac('sha256', key).update(Buffer.concat(message)).digest();
        assert.deepEqual(hmacSha256(key, ...message), expected);
      }),
    );
  });
});
