import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OriginGate } from '../../../src/webpush/delivery/origin-gate.ts';

const LIMIT = 32;
const setUp = () => {
  const gate = new OriginGate(LIMIT);
  const fail = (users: string, now: number): void => {
    for (const user of users) gate.failed(user, now);
  };
  return { gate, fail };
};

describe('OriginGate', () => {
  it('lets few pushes through until the service answered, then all that it may', () => {
    const { gate } = setUp();
    assert.deepEqual([gate.capacity, gate.userShare, gate.suspectsShare], [4, 1, 2]);
    gate.answered('a');
    assert.deepEqual([gate.capacity, gate.userShare, gate.suspectsShare], [LIMIT, 8, 16]);
    const small = new OriginGate(1);
    assert.deepEqual([small.capacity, small.userShare, small.suspectsShare], [1, 1, 1]);
  });

  it('slows down when pushes of five users failed for ten seconds and none got through', () => {
    const { gate, fail } = setUp();
    fail('abcde', 0);
    fail('abcde', 9_999);
    assert.equal(gate.state, 'open');
    fail('a', 10_000);
    assert.equal(gate.state, 'failing');
  });

  it('believes no four users, however often and long they fail', () => {
    const { gate, fail } = setUp();
    for (let now = 0; now < 3_600_000; now += 1_000) fail('abcd', now);
    assert.equal(gate.state, 'open');
    assert.equal(gate.nextAt, -Infinity);
  });

  it('begins to count anew whenever a push gets through', () => {
    const { gate, fail } = setUp();
    fail('abcdefgh', 0);
    gate.answered('z');
    fail('abcdefgh', 10_000);
    fail('abcdefgh', 19_999);
    assert.equal(gate.state, 'open');
  });

  it('lets a probe through each second, and one that is not due after ten', () => {
    const { gate, fail } = setUp();
    fail('abcde', 0);
    gate.started(10_000);
    fail('abcde', 10_000);
    assert.deepEqual([gate.nextAt, gate.earlyAt], [11_000, 20_000]);
    gate.started(11_000);
    assert.deepEqual([gate.nextAt, gate.earlyAt], [12_000, 21_000]);
  });

  it('opens when anything gets through, and says so once', () => {
    const { gate, fail } = setUp();
    fail('abcde', 0);
    fail('abcde', 10_000);
    gate.answered('a');
    assert.equal(gate.state, 'open');
    assert.equal(gate.takeReopened(), true);
    assert.equal(gate.takeReopened(), false);
  });

  it('suspects a user until a push of that user gets through', () => {
    const { gate, fail } = setUp();
    fail('ab', 0);
    gate.answered('a');
    assert.deepEqual([gate.isSuspect('a'), gate.isSuspect('b')], [false, true]);
  });
});
