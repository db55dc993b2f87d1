import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chooseForm, nextForm } from '../../../src/webpush/payload/choose-form.ts';
import { shrinkPayload } from '../../../src/webpush/payload/shrink-payload.ts';

const ids = { uid: 7, uidvalidity: 123, folder: 'COI/Chats' };
const envelope = { 'from-email': 'a@example.org', subject: 'Chat: Hello', 'msg-id': 'x@y', ...ids };
const full = {
  'from-email': 'a@example.org',
  subject: 'Chat: Hello',
  content: 'x'.repeat(1_500),
  'content-type': 'text/html',
  'content-encoding': 'base64',
  'msg-id': 'x@y',
  ...ids,
};

describe('shrinkPayload', () => {
  for (const [what, payload, expected] of [
    ['drops the content first', full, envelope],
    ['drops all but the ids next', envelope, ids],
    ['has nothing smaller than the ids', ids, undefined],
    ['has nothing smaller than a uid', { uid: 7 }, undefined],
    ['leaves a validation payload alone', { validation: 'abc$123' }, undefined],
    ['leaves a list alone', [1, 2], undefined],
    ['leaves a number alone', 7, undefined],
    ['leaves null alone', null, undefined],
  ] as const) {
    it(what, () => {
      const shrunk = shrinkPayload(JSON.stringify(payload));
      assert.equal(shrunk, expected && JSON.stringify(expected));
    });
  }

  it('leaves what is not JSON alone', () => assert.equal(shrinkPayload('{"uid":'), undefined));
});

describe('chooseForm', () => {
  const text = JSON.stringify(full);
  const whole = 103 + text.length;
  const forms: [
    refused: number,
    padding: boolean,
    payload: object,
    octets: number,
    more: boolean,
  ][] = [
    [Infinity, true, full, 102 + 2_048, true],
    [102 + 2_048, true, full, whole, true],
    [Infinity, false, full, whole, true],
    [whole, true, envelope, 103 + JSON.stringify(envelope).length, true],
    [whole, false, envelope, 103 + JSON.stringify(envelope).length, true],
    [200, true, ids, 103 + JSON.stringify(ids).length, false],
    [1, true, ids, 103 + JSON.stringify(ids).length, false],
  ];
  for (const [refused, padding, payload, octets, canShrink] of forms) {
    it(`below ${refused} octets, ${padding ? 'padded if possible' : 'not padded'}: ${octets}`, () => {
      const form = chooseForm(text, padding, refused);
      assert.equal(form.payload, JSON.stringify(payload));
      assert.equal(form.octets, octets);
      assert.equal(nextForm(form) !== undefined, canShrink);
    });
  }

  it('comes to an end in four steps, each smaller than the one before', () => {
    const sizes: number[] = [];
    for (let refused = Infinity; ;) {
      const form = chooseForm(text, true, refused);
      sizes.push(form.octets);
      if (nextForm(form) === undefined) break;
      refused = form.octets;
    }
    assert.equal(sizes.length, 4);
    assert.deepEqual(
      sizes,
      sizes.toSorted((a, b) => b - a),
    );
  });

  it('never chooses what does not fit one record, if anything does', () => {
    const payload = JSON.stringify({ ...full, content: 'x'.repeat(5_000) });
    assert.equal(chooseForm(payload, true, Infinity).payload, JSON.stringify(envelope));
  });

  it('sends a validation payload as it is', () => {
    const payload = JSON.stringify({ validation: 'abc' });
    const octets = 103 + payload.length;
    const form = chooseForm(payload, false, 10);
    assert.deepEqual(form, { payload, padding: false, octets });
    assert.equal(nextForm(form), undefined);
  });
});
