import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  MAX_RETRY_AFTER_MSECS,
  parseRetryAfter,
} from '../../../src/webpush/outcome/parse-retry-after.ts';

const now = Date.UTC(2026, 0, 15, 12, 0, 0);

describe('parseRetryAfter (RFC 9110 section 10.2.3)', () => {
  for (const [value, expected] of [
    ['0', 0],
    ['1', 1_000],
    [' 120 ', 120_000],
    ['3600', MAX_RETRY_AFTER_MSECS],
    ['3601', MAX_RETRY_AFTER_MSECS],
    ['9'.repeat(400), MAX_RETRY_AFTER_MSECS],
    ['Thu, 15 Jan 2026 12:00:30 GMT', 30_000],
    ['thu, 15 jan 2026 12:00:30 gmt', 30_000],
    ['Thursday, 15-Jan-26 12:00:30 GMT', 30_000],
    ['Thu Jan 15 12:00:30 2026', 30_000],
    ['Thu Jan  5 12:00:30 2026', 0],
    ['Wed, 14 Jan 2026 12:00:00 GMT', 0],
    ['Friday, 15-Jan-99 12:00:00 GMT', 0], // 1999, not 2099
    ['Fri, 15 Jan 2027 12:00:00 GMT', MAX_RETRY_AFTER_MSECS],
    ['', undefined],
    ['-1', undefined],
    ['1.5', undefined],
    ['1e3', undefined],
    ['0x10', undefined],
    ['soon', undefined],
    ['2026-01-15T12:00:30Z', undefined],
    ['Thu, 15 Jan 2026 12:00:30 CET', undefined],
    ['Thu, 15 Foo 2026 12:00:30 GMT', undefined],
  ] as const) {
    it(`${JSON.stringify(value.slice(0, 40))} is ${expected ?? 'nothing'}`, () => {
      assert.equal(parseRetryAfter(value, now), expected);
    });
  }
});
