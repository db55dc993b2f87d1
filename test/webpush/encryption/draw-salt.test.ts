import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { drawSalt } from '../../../src/webpush/encryption/draw-salt.ts';

describe('drawSalt', () => {
  it('never draws the same twice, nor changes what it drew', () => {
    const drawn = Array.from({ length: 1_000 }, drawSalt);
    const written = new Set(drawn.map((salt) => salt.toString('hex')));
    assert.equal(written.size, 1_000);
    assert.ok(drawn.every(({ length }) => length === 16));
  });
});
