import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import webpush from 'web-push';
import { InvalidInputError } from '../../../src/errors.ts';
import {
  buildPushRequest,
  type PushRequestParts,
} from '../../../src/webpush/request/build-push-request.ts';
import { rfc8291 } from '../../support/rfc8291-example.ts';

const build = (parts: Partial<PushRequestParts> = {}) =>
  buildPushRequest({
    ...{ url: new URL('https://push.example.net/p/1?x=y'), target: '/p/1?x=y' },
    body: Buffer.from('encrypted'),
    authorization: 'vapid t=a.b.c, k=d',
    ttlSeconds: 60,
    urgency: 'high',
    ...parts,
  });

describe('buildPushRequest', () => {
  it('has the headers of RFC 8030, 8188 and 8292', () => {
    const { url, headers, body } = build();
    assert.equal(url.href, 'https://push.example.net/p/1?x=y');
    assert.deepEqual(headers, {
      TTL: '60',
      Urgency: 'high',
      'Content-Type': 'application/octet-stream',
      'Content-Encoding': 'aes128gcm',
      Authorization: 'vapid t=a.b.c, k=d',
    });
    assert.equal(body.toString(), 'encrypted');
  });

  it('has the same headers as web-push, but for those that depend on keys', () => {
    const theirs = webpush.generateRequestDetails(
      { endpoint: 'https://push.example.net/p/1', keys: rfc8291.keys },
      'hello',
      { vapidDetails: null as never, TTL: 60, urgency: 'high', topic: 'abc' },
    );
    const expected = new Map(Object.entries(theirs.headers));
    expected.delete('Content-Length'); // undici's business
    assert.equal(Number(expected.get('TTL')), 60);
    expected.set('TTL', '60');
    const ours = new Map<string, unknown>(Object.entries(build({ topic: 'abc' }).headers));
    ours.delete('Authorization');
    assert.deepEqual(ours, new Map([...ours.keys()].map((name) => [name, expected.get(name)])));
    assert.equal(ours.size, expected.size);
  });

  for (const [left, ttl] of [
    [86_400, '86400'],
    [59.99, '59'],
    [0.4, '0'],
    [-3, '0'],
    [10_000_000, '2419200'],
  ] as const) {
    it(`gives a push with ${left} s left to live a TTL of ${ttl}`, () => {
      assert.equal(build({ ttlSeconds: left }).headers['TTL'], ttl);
    });
  }

  it('marks a validation push: "additional HTTP header WebPush-Validation without any value"', () => {
    assert.equal(build({ validation: true }).headers['WebPush-Validation'], '');
    assert.equal('WebPush-Validation' in build().headers, false);
  });

  for (const [topic, taken] of [
    ['a', true],
    ['A-Z_09'.padEnd(32, 'x'), true],
    ['x'.repeat(33), false],
    ['', false],
    ['a b', false],
    ['a=', false],
    ['a\r\nX: y', false],
  ] as const) {
    it(`${taken ? 'takes' : 'refuses'} the topic ${JSON.stringify(topic)}`, () => {
      if (taken) assert.equal(build({ topic }).headers['Topic'], topic);
      else assert.throws(() => build({ topic }), InvalidInputError);
    });
  }

  it('makes fresh headers for every request', () => {
    assert.notEqual(build().headers, build().headers);
  });
});
