import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { InvalidInputError } from '../../../src/errors.ts';
import { parseSubscription } from '../../../src/webpush/subscriptions/parse-subscription.ts';
import { parseReceiverKeys } from '../../../src/webpush/encryption/receiver-keys.ts';
import { AUTH, ENDPOINT, json, P256DH, subscriptionJson } from './subscription-fixtures.ts';

let taken = 0;

/** Whatever comes, the outcome is either a sound subscription or an InvalidInputError. */
function check(value: Uint8Array): void {
  let request;
  try {
    request = parseSubscription(value);
  } catch (error) {
    assert(error instanceof InvalidInputError, String(error));
    assert(error.message.length < 200);
    return;
  }
  taken += 1;
  const { client = '', device = '', msgtype, resource, ...surplus } = request;
  assert.deepEqual(surplus, {});
  assert.deepEqual(Object.keys(resource), ['endpoint', 'keys']);
  assert.deepEqual(Object.keys(resource.keys), ['p256dh', 'auth']);
  assert(Buffer.byteLength(client) <= 128 && Buffer.byteLength(device) <= 128);
  assert(['all', 'chat', 'mail'].includes(msgtype));
  assert(Buffer.byteLength(resource.endpoint) <= 512);
  assert.equal(new URL(resource.endpoint).protocol, 'https:');
  parseReceiverKeys(resource.keys);
  // What was taken once is taken again, and comes to the same.
  assert.deepEqual(parseSubscription(json(request)), request);
}

/** Mostly right, sometimes anything: that gets past the first rule and into the later ones. */
const mostly = (...good: unknown[]) =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...good) },
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 140 }) },
  );
const name = fc.constantFrom('client', 'keys', 'auth', '__proto__', 'constructor', 'toJSON', '');
const surplus = fc.dictionary(name, fc.jsonValue({ maxDepth: 1 }), { maxKeys: 2 });

const nearSubscription = fc
  .record({
    before: surplus,
    client: mostly('x', 'é'.repeat(64)),
    device: mostly('y', ''),
    msgtype: mostly('chat', 'mail', 'all', 'any', 'email'),
    endpoint: fc.oneof(
      mostly(ENDPOINT),
      fc.webUrl({ validSchemes: ['https', 'http'], withQueryParameters: true }),
    ),
    p256dh: mostly(P256DH, `${P256DH}=`),
    auth: mostly(AUTH, `${AUTH}==`),
    inner: surplus,
  })
  .map(({ before, endpoint, p256dh, auth, inner, ...entries }) =>
    json({
      ...before,
      ...entries,
      resource: { ...inner, endpoint, keys: { ...inner, p256dh, auth } },
    }),
  );

const good = subscriptionJson();
const damaged = fc
  .tuple(fc.nat(good.length - 1), fc.nat(8), fc.uint8Array({ maxLength: 8 }))
  .map(([at, cut, octets]) =>
    Buffer.concat([good.subarray(0, at), octets, good.subarray(at + cut)]),
  );

describe('parseSubscription throws nothing but InvalidInputError, and takes only what is sound', () => {
  it('arbitrary octets (10,000 cases)', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), check), { numRuns: 10_000 });
  });

  it('arbitrary JSON (10,000 cases)', () => {
    const value = fc.jsonValue({ stringUnit: 'binary' }).map(json);
    fc.assert(fc.property(value, check), { numRuns: 10_000 });
  });

  it('damaged subscriptions (10,000 cases)', () => {
    fc.assert(fc.property(damaged, check), { numRuns: 10_000 });
  });

  it('nearly right subscriptions (10,000 cases), a fair part of which is taken', () => {
    taken = 0;
    fc.assert(fc.property(nearSubscription, check), { numRuns: 10_000 });
    assert(taken > 500, `only ${taken} were taken: the generator no longer tries the later rules`);
  });
});
