import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ago, counted, duration, shortTime, timeOfDay } from '../../../src/http/status/words.ts';

it('the time of day has two digits everywhere', () => {
  assert.match(timeOfDay(new Date(2026, 0, 5, 9, 5, 3)), /^09:05:03 \S+$/);
});

describe('words for numbers', () => {
  for (const [seconds, words] of [
    [0, '0 s'],
    [0.9, '0 s'],
    [59.9, '59 s'],
    [60, '1 min'],
    [3_599, '59 min'],
    [3_600, '1 h'],
    [7_500, '2 h 5 min'],
    [86_400, '1 day'],
    [1_063_000, '12 days 7 h'],
    [-5, '0 s'],
  ] as const) {
    it(`${seconds} seconds are ${words}`, () => assert.equal(duration(seconds), words));
  }

  for (const [seconds, words] of [
    [0.000_4, '0 ms'],
    [0.043_4, '43 ms'],
    [0.999_4, '999 ms'],
    [0.999_6, '1.0 s'],
    [2.04, '2.0 s'],
    [59.96, '59 s'],
    [300, '5 min'],
  ] as const) {
    it(`a short time of ${seconds} seconds is ${words}`, () => {
      const { value, unit } = shortTime(seconds);
      assert.equal(`${value} ${unit}`, words);
    });
  }

  it('a moment ago is just now', () => {
    assert.equal(ago(14.9), 'just now');
    assert.equal(ago(15), '15 s ago');
  });

  it('one is one, and many are many', () => {
    assert.equal(counted(1, 'push', 'pushes'), '1 push');
    assert.equal(counted(0, 'push', 'pushes'), '0 pushes');
    assert.equal(counted(12_345, 'file'), '12,345 files');
  });
});
