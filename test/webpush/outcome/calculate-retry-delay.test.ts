import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  calculateRepeatDelay,
  calculateRetryDelay,
  longestRepeatDelay,
} from '../../../src/webpush/outcome/calculate-retry-delay.ts';

describe('calculateRetryDelay: max_retries quick tries, then growing delays', () => {
  for (const [failures, maxRetries, expected] of [
    [1, 0, 5_000],
    [2, 0, 10_000],
    [1, 1, 200],
    [2, 1, 5_000],
    [3, 1, 10_000],
    [4, 1, 20_000],
    [8, 1, 320_000],
    [9, 1, 600_000],
    [1_000, 1, 600_000],
    [3, 3, 200],
    [4, 3, 5_000],
  ] as const) {
    it(`waits ${expected} ms after ${failures} failures with ${maxRetries} quick tries`, () => {
      assert.equal(calculateRetryDelay(failures, maxRetries, 0.5), expected);
      assert.equal(calculateRetryDelay(failures, maxRetries, 0), expected / 2);
      assert.equal(
        calculateRetryDelay(failures, maxRetries, 0.999_999),
        Math.round(expected * 1.499_999),
      );
    });
  }
});

describe('calculateRepeatDelay: few repeats, with long gaps', () => {
  for (const [unanswered, minutes] of [
    [1, 1],
    [2, 6],
    [3, 36],
    [4, 216],
    [5, 1_296],
    [6, 2_880],
    [1_000_000, 2_880],
  ] as const) {
    it(`waits ${minutes} minutes after ${unanswered} sendings without an answer`, () => {
      const msecs = minutes * 60_000;
      assert.equal(calculateRepeatDelay(unanswered, 0.5), msecs);
      assert.equal(calculateRepeatDelay(unanswered, 0), msecs / 2);
      assert.ok(calculateRepeatDelay(unanswered, 0.999_999) <= longestRepeatDelay(unanswered));
    });
  }
});
