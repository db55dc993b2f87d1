import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { dateToRfc3339, timeToRfc3339 } from '../../src/messages/date-to-rfc3339.ts';

describe('dateToRfc3339', () => {
  const cases: [value: string, date: string | undefined][] = [
    ['Wed, 4 Dec 2019 15:51:37 +0100', '2019-12-04T15:51:37+01:00'],
    // The specification's own example has the wrong day of the week.
    ['Mon, 4 Dec 2019 15:51:37 +0100', '2019-12-04T15:51:37+01:00'],
    ['04 Dec 2019 15:51 -0330', '2019-12-04T15:51:00-03:30'],
    ['wed,4 DEC 2019 15:51:37 +0000', '2019-12-04T15:51:37+00:00'],
    ['Wed,  4\tDec  2019  15 : 51 : 37  +0530', '2019-12-04T15:51:37+05:30'],
    ['Wed, 4 Dec 2019 15:51:37 +0100 (CET)', '2019-12-04T15:51:37+01:00'],
    ['Wed (really), 4 Dec (12) 2019 15:51:37 +0100', '2019-12-04T15:51:37+01:00'],
    ['Wed, 4 Dec 2019 15:51:37 +0100 (open', '2019-12-04T15:51:37+01:00'],
    ['Wed, 4 Dec 2019 15:51:37 +0100 CET', '2019-12-04T15:51:37+01:00'],
    ['Wed, 4 Dec 2019 15:51:37 +01:00', '2019-12-04T15:51:37+01:00'],
    ['Wednesday, 4 December 2019 15:51:37 +0100', '2019-12-04T15:51:37+01:00'],
    ['4 Dec 2019 9:05 GMT', '2019-12-04T09:05:00+00:00'],
    // In no standard, and in mail.
    ['Wed, 4 Dec 2019 1:00:00 PM +0100', '2019-12-04T13:00:00+01:00'],
    ['4 Dec 2019 12:00:00 AM', '2019-12-04T00:00:00-00:00'],
    ['4 Dec 2019 12:30 pm GMT', '2019-12-04T12:30:00+00:00'],
    ['4 Dec 2019 1:00:00PM -0500', '2019-12-04T13:00:00-05:00'],
    ['4 Dec 2019 1:00:00 a.m. +0000', '2019-12-04T01:00:00+00:00'],
    ['4 Dec 2019 13:00:00 PM +0000', undefined],
    ['4 Dec 2019 0:00:00 AM +0000', undefined],
    // RFC 5322 section 4.3: obsolete years and zones
    ['4 Dec 19 15:51:37 UT', '2019-12-04T15:51:37+00:00'],
    ['4 Dec 49 15:51:37 Z', '2049-12-04T15:51:37+00:00'],
    ['4 Dec 50 15:51:37 +0000', '1950-12-04T15:51:37+00:00'],
    ['4 Dec 119 15:51:37 +0000', '2019-12-04T15:51:37+00:00'],
    ['4 Dec 019 15:51:37 +0000', '1919-12-04T15:51:37+00:00'],
    ['4 Dec 2019 15:51:37 EST', '2019-12-04T15:51:37-05:00'],
    ['4 Dec 2019 15:51:37 edt', '2019-12-04T15:51:37-04:00'],
    ['4 Dec 2019 15:51:37 CST', '2019-12-04T15:51:37-06:00'],
    ['4 Dec 2019 15:51:37 CDT', '2019-12-04T15:51:37-05:00'],
    ['4 Dec 2019 15:51:37 MST', '2019-12-04T15:51:37-07:00'],
    ['4 Dec 2019 15:51:37 MDT', '2019-12-04T15:51:37-06:00'],
    ['4 Dec 2019 15:51:37 PST', '2019-12-04T15:51:37-08:00'],
    ['4 Dec 2019 15:51:37 PDT', '2019-12-04T15:51:37-07:00'],
    // RFC 3339 section 4.3: the offset is not known
    ['4 Dec 2019 15:51:37 -0000', '2019-12-04T15:51:37-00:00'],
    ['4 Dec 2019 15:51:37 A', '2019-12-04T15:51:37-00:00'],
    ['4 Dec 2019 15:51:37 CET', '2019-12-04T15:51:37-00:00'],
    ['4 Dec 2019 15:51:37', '2019-12-04T15:51:37-00:00'],
    ['31 Dec 2016 23:59:60 +0000', '2016-12-31T23:59:59+00:00'],
    ['29 Feb 2020 00:00:00 +2359', '2020-02-29T00:00:00+23:59'],
    ['31 Dec 9999 23:59:59 -2359', '9999-12-31T23:59:59-23:59'],
    ['1 Jan 1900 00:00:00 +0000', '1900-01-01T00:00:00+00:00'],
    ['29 Feb 2019 00:00:00 +0000', undefined],
    ['31 Apr 2019 00:00:00 +0000', undefined],
    ['0 Dec 2019 00:00:00 +0000', undefined],
    ['32 Dec 2019 00:00:00 +0000', undefined],
    ['4 Foo 2019 00:00:00 +0000', undefined],
    ['4 Dec 1899 00:00:00 +0000', undefined],
    ['4 Dec 12019 00:00:00 +0000', undefined],
    ['4 Dec 2019 24:00:00 +0000', undefined],
    ['4 Dec 2019 23:60:00 +0000', undefined],
    ['4 Dec 2019 23:59:61 +0000', undefined],
    ['4 Dec 2019 23:59:59 +2400', undefined],
    ['4 Dec 2019 23:59:59 +0060', undefined],
    ['4 Dec 2019', undefined],
    ['2019-12-04T15:51:37+01:00', undefined],
    ['yesterday', undefined],
    ['', undefined],
  ];
  for (const [value, date] of cases) {
    test(JSON.stringify(value), () => assert.equal(dateToRfc3339(value), date));
  }

  test('any time that Date can write comes out the same', () => {
    const min = new Date('1900-01-01T00:00:00Z');
    const max = new Date('9999-12-31T23:59:59Z');
    fc.assert(
      fc.property(fc.date({ min, max, noInvalidDate: true }), (date) => {
        const expected = `${date.toISOString().slice(0, 19)}+00:00`;
        assert.equal(dateToRfc3339(date.toUTCString()), expected);
      }),
    );
  });

  test('white space and comments of full length take no long time', () => {
    const started = performance.now();
    for (const unit of [' ', '(', '()', '1 ', 'a', ':']) {
      dateToRfc3339(`Mon${unit.repeat(16_384)}x`);
      dateToRfc3339(`4 Dec 2019 1${unit.repeat(16_384)}x`);
    }
    assert.ok(performance.now() - started < 1_000);
  });
});

describe('timeToRfc3339', () => {
  const cases: [seconds: number, offset: number, date: string | undefined][] = [
    [1_575_471_097, 60, '2019-12-04T15:51:37+01:00'],
    [1_575_471_097, 0, '2019-12-04T14:51:37+00:00'],
    [1_575_471_097, -210, '2019-12-04T11:21:37-03:30'],
    [1_575_471_097, 1_439, '2019-12-05T14:50:37+23:59'],
    [1_575_471_097, 1_440, undefined],
    [1_575_471_097, 0.5, undefined],
    [253_402_300_799, 0, '9999-12-31T23:59:59+00:00'],
    [253_402_300_799, 60, undefined],
    [0, 0, undefined],
    [-1, 0, undefined],
    [Number.NaN, 0, undefined],
    [1, Number.NaN, undefined],
    [Number.MAX_VALUE, 0, undefined],
  ];
  for (const [seconds, offset, date] of cases) {
    test(`${seconds}, ${offset}`, () => assert.equal(timeToRfc3339(seconds, offset), date));
  }
});
