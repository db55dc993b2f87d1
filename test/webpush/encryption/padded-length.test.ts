import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { paddedLength } from '../../../src/webpush/encryption/padded-length.ts';

describe('paddedLength: "pad webpush messages to the next 1 kB boundary"', () => {
  for (const [octets, expected] of [
    [0, 1_024],
    [1, 1_024],
    [1_023, 1_024],
    [1_024, 2_048],
    [2_047, 2_048],
    [2_048, 3_072],
    [3_071, 3_072],
    [3_072, 3_994],
    [3_992, 3_994],
    [3_993, 3_994],
  ] as const) {
    it(`fills ${octets} octets and the delimiter up to ${expected}`, () => {
      assert.equal(paddedLength(octets, true), expected);
      assert.equal(paddedLength(octets, false), octets + 1);
    });
  }
});
