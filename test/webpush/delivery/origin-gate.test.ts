import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OriginGate } from '../../../src/webpush/delivery/origin-gate.ts';

const LIMIT = 32;
const setUp = () => {
  const gate = new OriginGate(LIMIT, () => 0.5);
  const fail = (times: number, now: number): void => {
    for (let time = 0; time < times; time += 1) gate.failed(now);
  };
  return { gate, fail };
};

describe('OriginGate', () => {
  it('lets few pushes through until the service answered, then all that it may', () => {
    const { gate } = setUp();
    assert.equal(gate.capacity(0), 4);
    gate.answered(0);
    assert.equal(gate.capacity(0), LIMIT);
    assert.equal(new OriginGate(2, () => 0.5).capacity(0), 2);
  });

  it('pauses after five failures in a row, longer each time', () => {
    const { gate, fail } = setUp();
    gate.answered(0);
    fail(4, 0);
    gate.answered(0);
    fail(4, 0);
    assert.equal(gate.capacity(0), LIMIT);
    fail(1, 0);
    assert.equal(gate.state, 'failing');
    assert.equal(gate.capacity(0), 0);
    assert.equal(gate.capacity(4_999), 0);
    assert.equal(gate.capacity(5_000), 1);
    gate.failed(5_000);
    assert.equal(gate.capacity(14_999), 0);
    assert.equal(gate.capacity(15_000), 1);
    gate.failed(15_000);
    assert.equal(gate.pausedUntil, 35_000);
  });

  it('counts what was under way when the pause began for nothing more', () => {
    const { gate, fail } = setUp();
    fail(12, 0);
    assert.equal(gate.pausedUntil, 5_000);
  });

  it('opens when the probe got through', () => {
    const { gate, fail } = setUp();
    fail(5, 0);
    gate.answered(5_000);
    assert.equal(gate.state, 'open');
    assert.equal(gate.capacity(5_000), LIMIT);
    fail(5, 5_000);
    assert.equal(gate.pausedUntil, 10_000);
  });

  it('opens when something that was under way got through: the service is alive', () => {
    const { gate, fail } = setUp();
    fail(5, 0);
    gate.answered(10);
    assert.equal(gate.capacity(10), LIMIT);
  });

  it('honours Retry-After, and answers to what was under way do not end it', () => {
    const { gate } = setUp();
    gate.answered(0);
    gate.throttled(0, 60_000);
    assert.equal(gate.state, 'held');
    gate.answered(10);
    gate.failed(10);
    assert.equal(gate.capacity(59_999), 0);
    assert.equal(gate.capacity(60_000), 1);
    gate.answered(60_000);
    assert.equal(gate.capacity(60_000), LIMIT);
  });

  it('takes the longer of two pauses', () => {
    const { gate } = setUp();
    gate.throttled(0, 60_000);
    gate.throttled(1_000, 5_000);
    gate.throttled(2_000, undefined);
    assert.equal(gate.pausedUntil, 60_000);
    gate.throttled(3_000, 90_000);
    assert.equal(gate.pausedUntil, 93_000);
  });

  it('chooses growing pauses where the service names none', () => {
    const { gate } = setUp();
    gate.throttled(0, undefined);
    assert.equal(gate.pausedUntil, 5_000);
    gate.throttled(5_000, undefined);
    assert.equal(gate.pausedUntil, 15_000);
    gate.answered(15_000);
    gate.throttled(15_000, undefined);
    assert.equal(gate.pausedUntil, 20_000);
  });

  it('does not take a pause of no time for a reason to hurry', () => {
    const { gate } = setUp();
    gate.throttled(0, 0);
    assert.equal(gate.pausedUntil, 1_000);
  });
});
