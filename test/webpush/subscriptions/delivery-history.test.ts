import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  historyOf,
  joinHistories,
  NO_DELIVERIES,
  type DeliveryHistory,
} from '../../../src/webpush/subscriptions/delivery-history.ts';
import { HistoryBuffer } from '../../../src/webpush/subscriptions/history-buffer.ts';

const attempts = (pattern: string, from = 0): DeliveryHistory =>
  Array.from(pattern)
    .map((sign, index) =>
      sign === '+'
        ? historyOf({ delivered: true, outcome: 'delivered', status: 201 }, from + index)
        : historyOf({ delivered: false, outcome: 'timeout' }, from + index),
    )
    .reduce(joinHistories, NO_DELIVERIES);

describe('delivery history', () => {
  const table: [pattern: string, successes: number, failures: number, inARow: number][] = [
    ['', 0, 0, 0],
    ['+', 1, 0, 0],
    ['-', 0, 1, 1],
    ['---', 0, 3, 3],
    ['--+', 1, 2, 0],
    ['+--', 1, 2, 2],
    ['-+-+--', 2, 4, 2],
  ];
  for (const [pattern, successes, failures, failuresInARow] of table) {
    it(`counts "${pattern}"`, () => {
      const history = attempts(pattern);
      assert.deepEqual(
        { ...history, lastOutcome: undefined, lastStatus: undefined, lastAt: undefined },
        {
          successes,
          failures,
          failuresInARow,
          lastOutcome: undefined,
          lastStatus: undefined,
          lastAt: undefined,
        },
      );
    });
  }

  it('knows the last attempt, and no status when that had none', () => {
    assert.deepEqual(attempts('-+'), {
      successes: 1,
      failures: 1,
      failuresInARow: 0,
      lastOutcome: 'delivered',
      lastStatus: 201,
      lastAt: 1,
    });
    assert.deepEqual(attempts('+-'), {
      successes: 1,
      failures: 1,
      failuresInARow: 1,
      lastOutcome: 'timeout',
      lastAt: 1,
    });
  });

  it('comes to the same however the attempts are grouped', () => {
    const pattern = fc.string({ unit: fc.constantFrom('+', '-'), maxLength: 8 });
    fc.assert(
      fc.property(pattern, pattern, (before, after) =>
        assert.deepEqual(
          joinHistories(attempts(before), attempts(after, before.length)),
          attempts(before + after),
        ),
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('HistoryBuffer', () => {
  const entry = (endpoint: string, pattern: string, from = 0) => ({
    id: 'id',
    endpoint,
    history: attempts(pattern, from),
  });

  it('keeps one entry per subscription and endpoint', () => {
    const buffer = new HistoryBuffer();
    buffer.add('u', entry('e1', '-'));
    buffer.add('u', entry('e2', '+'));
    buffer.add('u', entry('e1', '-', 1));
    buffer.add('v', entry('e1', '+'));
    assert.equal(buffer.size, 3);
    assert.deepEqual(buffer.users(), ['u', 'v']);
    assert.deepEqual(buffer.take('u'), [entry('e1', '--'), entry('e2', '+')]);
    assert.equal(buffer.size, 1);
    assert.deepEqual(buffer.take('u'), []);
  });

  it('puts back what could not be stored before what came since', () => {
    const buffer = new HistoryBuffer();
    buffer.add('u', entry('e1', '--'));
    const taken = buffer.take('u');
    buffer.add('u', entry('e1', '+-', 2));
    buffer.putBack('u', taken);
    assert.deepEqual(buffer.peek('u'), [entry('e1', '--+-')]);
    assert.equal(buffer.size, 1);
  });
});
