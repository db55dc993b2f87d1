import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Sample } from '../../../src/http/status/history.ts';
import {
  growth,
  growthByMinute,
  latencyByMinute,
  latencyQuantile,
  owedByMinute,
} from '../../../src/http/status/series.ts';
import { sample } from './status-facts.ts';

/** Counts of pushes within 10 ms, 100 ms, 1 s, and all. */
const latency = (...counts: number[]): Partial<Sample> => ({
  latency: [0.01, 0.1, 1, Infinity].map((seconds, index) => ({
    seconds,
    count: counts[index] ?? 0,
  })),
});

describe('what grew', () => {
  const samples = [
    sample(0),
    sample(1, { mail: 3 }),
    sample(2, { mail: 3 }),
    sample(3, { mail: 9 }),
  ];

  it('in the last minutes', () => {
    assert.equal(growth(samples, 'mail', 1), 6);
    assert.equal(growth(samples, 'mail', 2), 6);
    assert.equal(growth(samples, 'mail', 3), 9);
  });

  it('since the first sample, when that is younger', () => {
    assert.equal(growth(samples, 'mail', 30), 9);
    assert.equal(growth(samples.slice(1), 'mail', 30), 6);
  });

  it('minute by minute, and of none before the first sample', () => {
    const series = growthByMinute(samples, 'mail');
    assert.equal(series.length, 30);
    assert.deepEqual(series.slice(-5), [undefined, 0, 3, 0, 6]);
    assert.deepEqual(
      growthByMinute([], 'mail'),
      Array.from({ length: 30 }, () => undefined),
    );
  });
});

describe('what was owed', () => {
  it('is the most of each minute', () => {
    const samples = [0, 0.5, 1, 1.5, 2].map((minute, index) =>
      sample(minute, {}, { owed: [0, 8, 2, 1, 0][index]! }),
    );
    assert.deepEqual(owedByMinute(samples).slice(-3), [0, 8, 2]);
  });

  it('began with the process, whatever the one before owed', () => {
    const samples = [sample(0, {}, { owed: 172 }), sample(1, {}, { owed: 172 })];
    assert.deepEqual(owedByMinute(samples).slice(-3), [undefined, 172, 172]);
  });
});

describe('how long pushes took', () => {
  it('is interpolated within a bucket', () => {
    const samples = [sample(0, {}, latency(5, 5, 5, 5)), sample(5, {}, latency(5, 15, 15, 15))];
    // Ten pushes, all between 10 and 100 ms.
    assert.equal(latencyQuantile(samples, 0.5, 5)?.toFixed(6), '0.055000');
    assert.equal(latencyQuantile(samples, 1, 5), 0.1);
  });

  it('is not guessed past the last bound', () => {
    const samples = [sample(0, {}, latency()), sample(5, {}, latency(0, 0, 0, 4))];
    assert.equal(latencyQuantile(samples, 0.5, 5), 1);
  });

  it('is unknown without a push', () => {
    const samples = [sample(0, {}, latency(1, 1, 1, 1)), sample(5, {}, latency(1, 1, 1, 1))];
    assert.equal(latencyQuantile(samples, 0.5, 5), undefined);
    assert.equal(latencyQuantile([], 0.5, 5), undefined);
    assert.deepEqual(new Set(latencyByMinute(samples)), new Set([undefined, 0]));
  });
});
