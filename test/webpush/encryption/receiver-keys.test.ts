import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { InvalidInputError } from '../../../src/errors.ts';
import {
  createReceiverKeyCache,
  parseReceiverKeys,
} from '../../../src/webpush/encryption/receiver-keys.ts';
import { octets, rfc8291 } from '../../support/rfc8291-example.ts';

const { p256dh, auth } = rfc8291.keys;
const point = octets(p256dh);

describe('parseReceiverKeys', () => {
  it("takes the line breaks of Android's base64", () => {
    const broken = point.toString('base64').replace(/^.{76}/, '$&\n');
    assert.deepEqual(parseReceiverKeys({ p256dh: `${broken}\n`, auth: `${auth}\n` }).point, point);
  });

  for (const encoding of ['base64', 'base64url'] as const) {
    it(`takes ${encoding}`, () => {
      const keys = parseReceiverKeys({
        p256dh: point.toString(encoding),
        auth: octets(auth).toString(encoding),
      });
      assert.deepEqual(keys.point, point);
      assert.deepEqual(keys.auth, octets(auth));
    });
  }

  const offCurve = Buffer.from(point);
  offCurve[64] = (offCurve[64] ?? 0) ^ 1;
  const compressed = Buffer.concat([Buffer.of(2), point.subarray(1, 33)]);
  for (const [what, keys] of [
    ['a point off the curve', { p256dh: offCurve.toString('base64url'), auth }],
    ['a compressed point', { p256dh: compressed.toString('base64url'), auth }],
    ['the point at infinity', { p256dh: Buffer.alloc(65).toString('base64url'), auth }],
    ['a point one octet short', { p256dh: point.subarray(0, 64).toString('base64url'), auth }],
    [
      'a point one octet long',
      { p256dh: Buffer.concat([point, Buffer.of(0)]).toString('base64'), auth },
    ],
    [
      'a point of P-384',
      { p256dh: Buffer.concat([Buffer.of(4), randomBytes(96)]).toString('base64'), auth },
    ],
    ['characters that are not base64', { p256dh: `${p256dh.slice(0, -2)}!!`, auth }],
    ['an empty point', { p256dh: '', auth }],
    ['a secret of 15 octets', { p256dh, auth: randomBytes(15).toString('base64url') }],
    ['a secret of 17 octets', { p256dh, auth: randomBytes(17).toString('base64url') }],
    ['no secret', { p256dh, auth: '' }],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => parseReceiverKeys(keys), InvalidInputError);
    });
  }
});

describe('createReceiverKeyCache', () => {
  it('parses the same keys once, and tells different secrets apart', () => {
    const read = createReceiverKeyCache();
    assert.equal(read({ p256dh, auth }), read({ p256dh, auth }));
    const other = randomBytes(16);
    assert.deepEqual(read({ p256dh, auth: other.toString('base64url') }).auth, other);
  });
});
