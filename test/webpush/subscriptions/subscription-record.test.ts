import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NO_DELIVERIES } from '../../../src/webpush/subscriptions/delivery-history.ts';
import {
  decodeRecord,
  encodeRecord,
  formatSubscription,
  isExpired,
  shownSubscription,
  type KeptSubscription,
  type SubscriptionRecord,
} from '../../../src/webpush/subscriptions/subscription-record.ts';
import { AUTH, ENDPOINT, P256DH } from './subscription-fixtures.ts';

const kept = (validated: boolean, expiresAt = 1_000): KeptSubscription => ({
  subscription: {
    created: '2019-10-16T16:14:17+00:00',
    validated,
    client: 'OX COI Messenger',
    device: 'mydevicename',
    msgtype: 'chat',
    resource: { endpoint: ENDPOINT, keys: { p256dh: P256DH, auth: AUTH } },
  },
  tokenHash: 'the-hash',
  expiresAt,
  history: { ...NO_DELIVERIES, successes: 2, lastOutcome: 'delivered', lastStatus: 201, lastAt: 5 },
});

describe('formatSubscription', () => {
  it("writes the JSON of the specification's example: fields, order, no blanks", () => {
    assert.equal(
      formatSubscription(kept(true).subscription),
      `{"created":"2019-10-16T16:14:17+00:00","validated":true,"client":"OX COI Messenger","device":"mydevicename","msgtype":"chat","resource":{"endpoint":"${ENDPOINT}","keys":{"p256dh":"${P256DH}","auth":"${AUTH}"}}}`,
    );
  });

  it('keeps that order whatever order the fields are in, and leaves out what was not given', () => {
    const { resource, msgtype, created } = kept(false).subscription;
    const { p256dh, auth } = resource.keys;
    const shuffled = {
      resource: { keys: { auth, p256dh }, endpoint: resource.endpoint },
      msgtype,
      validated: false,
      created,
    };
    assert.equal(
      formatSubscription(shuffled),
      `{"created":"2019-10-16T16:14:17+00:00","validated":false,"msgtype":"chat","resource":{"endpoint":"${ENDPOINT}","keys":{"p256dh":"${P256DH}","auth":"${AUTH}"}}}`,
    );
  });
});

describe('shownSubscription', () => {
  const active = kept(true);
  const pending = kept(false);
  it('shows what waits before what it is to replace, until its time is over', () => {
    assert.equal(shownSubscription({ active, pending }, 1_000), pending.subscription);
    assert.equal(shownSubscription({ active, pending }, 1_001), active.subscription);
    assert.equal(shownSubscription({ pending }, 1_001), undefined);
    assert.equal(shownSubscription({ active }, 1_001), active.subscription);
    assert.equal(shownSubscription({}, 0), undefined);
  });
  it('counts the last millisecond of the timeframe as within it', () => {
    assert.equal(isExpired(pending, 1_000), false);
    assert.equal(isExpired(pending, 1_001), true);
  });
});

describe('decodeRecord', () => {
  const records: SubscriptionRecord[] = [
    {},
    { active: kept(true) },
    { pending: kept(false) },
    { active: kept(true), pending: kept(false) },
  ];
  for (const record of records) {
    it(`reads what was written: ${Object.keys(record).join(' and ') || 'neither'}`, () =>
      assert.deepEqual(decodeRecord(encodeRecord(record)), record));
  }

  it('believes the place of a subscription, not what it says of itself', () => {
    const record = decodeRecord(encodeRecord({ active: kept(false), pending: kept(true) }));
    assert.equal(record?.active?.subscription.validated, true);
    assert.equal(record.pending?.subscription.validated, false);
  });

  const bare = { ...kept(true), history: undefined };
  it('reads a record without history as one without deliveries', () => {
    const octets = Buffer.from(JSON.stringify({ version: 1, active: bare }));
    assert.deepEqual(decodeRecord(octets)?.active?.history, NO_DELIVERIES);
  });

  const bad: [name: string, value: unknown][] = [
    ['another version', { version: 2, active: bare }],
    ['no version', { active: bare }],
    ['a part that is no object', { version: 1, active: 'x' }],
    ['no subscription', { version: 1, active: { ...bare, subscription: undefined } }],
    ['no resource', { version: 1, active: { ...bare, subscription: { created: '' } } }],
    ['no token', { version: 1, pending: { ...bare, tokenHash: undefined } }],
    ['no deadline', { version: 1, pending: { ...bare, expiresAt: null } }],
    ['null', null],
    ['a text', 'x'],
  ];
  for (const [name, value] of bad) {
    it(`refuses ${name}`, () =>
      assert.equal(decodeRecord(Buffer.from(JSON.stringify(value))), undefined));
  }

  it('never throws (3,000 damaged records)', () => {
    const octets = encodeRecord({ active: kept(true), pending: kept(false) });
    fc.assert(
      fc.property(fc.nat(octets.length - 1), fc.nat(40), fc.uint8Array(), (at, cut, junk) => {
        const tail = octets.subarray(at + cut);
        decodeRecord(Buffer.concat([octets.subarray(0, at), junk, tail]));
      }),
      { numRuns: 3_000 },
    );
  });
});
