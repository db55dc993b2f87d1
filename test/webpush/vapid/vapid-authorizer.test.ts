import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import webpush from 'web-push';
import type { VapidCurve, VapidKey } from '../../../src/webpush/vapid/vapid-key.ts';
import { createVapidAuthorizer } from '../../../src/webpush/vapid/vapid-authorizer.ts';
import { makeVapidKey } from '../../support/make-vapid-key.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const HOUR = 3_600_000;
const ORIGIN = 'https://push.example.net';
const SUBJECT = 'mailto:postmaster@example.net';

const split = (header: string) => {
  const match = /^vapid t=([\w-]+)\.([\w-]+)\.([\w-]+), k=([\w-]+)$/.exec(header);
  assert.ok(match, header);
  const [, head = '', claims = '', signature = '', point = ''] = match;
  const decode = (part: string) =>
    JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;
  return {
    signed: `${head}.${claims}`,
    head: decode(head),
    claims: decode(claims),
    signature,
    point,
  };
};

/** Verified by Web Crypto with nothing but what the header contains, as a push service does it. */
async function verify(header: string, curve: string, hash: string): Promise<boolean> {
  const { signed, signature, point } = split(header);
  const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'base64url'));
  const algorithm = { name: 'ECDSA', namedCurve: curve };
  const key = await crypto.subtle.importKey('raw', bytes(point), algorithm, false, ['verify']);
  const data = new TextEncoder().encode(signed);
  return crypto.subtle.verify({ name: 'ECDSA', hash }, key, bytes(signature), data);
}

const setUp = (subject = SUBJECT, maxTokens = 100) => {
  const clock = new ManualClock();
  return { clock, authorizer: createVapidAuthorizer({ subject, clock, maxTokens }) };
};

describe('createVapidAuthorizer', () => {
  for (const [curve, algorithm, named, hash] of [
    ['prime256v1', 'ES256', 'P-256', 'SHA-256'],
    ['secp384r1', 'ES384', 'P-384', 'SHA-384'],
    ['secp521r1', 'ES512', 'P-521', 'SHA-512'],
  ] as const satisfies readonly (readonly [VapidCurve, string, string, string])[]) {
    it(`signs with ${algorithm} for a key on ${curve}`, async () => {
      const header = setUp().authorizer.authorize(makeVapidKey(curve), ORIGIN);
      assert.deepEqual(split(header).head, { typ: 'JWT', alg: algorithm });
      assert.equal(await verify(header, named, hash), true);
    });
  }

  it('makes the claims of RFC 8292: aud the origin, exp within 24 hours, sub the contact', () => {
    const { clock, authorizer } = setUp();
    const { claims } = split(authorizer.authorize(makeVapidKey(), `${ORIGIN}:8443`));
    assert.deepEqual(claims, {
      aud: `${ORIGIN}:8443`,
      exp: Math.floor(clock.now() / 1_000) + 12 * 3_600,
      sub: SUBJECT,
    });
  });

  it('leaves sub out when there is no contact', () => {
    const { claims } = split(setUp('').authorizer.authorize(makeVapidKey(), ORIGIN));
    assert.deepEqual(Object.keys(claims), ['aud', 'exp']);
  });

  it('has the form, the header and the claims that web-push gives', () => {
    const key = makeVapidKey();
    const { clock, authorizer } = setUp();
    const d = String(key.privateKey.export({ format: 'jwk' }).d);
    const exp = Math.floor(clock.now() / 1_000) + 12 * 3_600;
    const point = key.publicPoint.toString('base64url');
    const theirs = webpush.getVapidHeaders(ORIGIN, SUBJECT, point, d, 'aes128gcm', exp);
    const [a, b] = [split(authorizer.authorize(key, ORIGIN)), split(theirs.Authorization)];
    assert.equal(a.signed, b.signed);
    assert.equal(a.point, b.point);
    assert.equal(a.signature.length, b.signature.length);
  });

  for (const [what, stepMsecs, same] of [
    ['at once', 0, true],
    ['eleven hours later', 11 * HOUR, true],
    ['ten minutes before it expires', 12 * HOUR - 600_000, true],
    ['a second after that', 12 * HOUR - 599_000, false],
    ['when the clock stepped back', -HOUR, false],
    ['when the clock stepped far ahead', 1_000 * HOUR, false],
  ] as const) {
    it(`${same ? 'uses a token again' : 'makes a new token'} ${what}`, () => {
      const { clock, authorizer } = setUp();
      const key = makeVapidKey();
      const first = authorizer.authorize(key, ORIGIN);
      clock.step(stepMsecs);
      const second = authorizer.authorize(key, ORIGIN);
      assert.equal(second === first, same);
      const left = Number(split(second).claims['exp']) - clock.now() / 1_000;
      assert.ok(left >= 600 && left <= 12 * 3_600, `${left} s are left`);
    });
  }

  it('tells origins, keys and forgotten tokens apart, and bounds how many it keeps', () => {
    const { authorizer } = setUp(SUBJECT, 2);
    const [key, other]: VapidKey[] = [makeVapidKey(), makeVapidKey()];
    const first = authorizer.authorize(key!, ORIGIN);
    assert.notEqual(split(authorizer.authorize(other!, ORIGIN)).point, split(first).point);
    assert.equal(authorizer.authorize({ ...key! }, ORIGIN), first);
    authorizer.forget(key!, ORIGIN);
    assert.notEqual(authorizer.authorize(key!, ORIGIN), first);
    const kept = authorizer.authorize(key!, 'https://a.example');
    authorizer.authorize(key!, 'https://b.example');
    authorizer.authorize(key!, 'https://c.example');
    assert.notEqual(authorizer.authorize(key!, 'https://a.example'), kept);
  });
});
