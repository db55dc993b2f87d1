import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { TransactionSchema } from '../src/events/event-schema.ts';
import { compileFindProblem } from '../src/first-problem.ts';

const place = { mailbox: 'INBOX', uid: 1, uidvalidity: 1 };
const read = { event: 'MessageRead', ...place };

describe('the first problem', () => {
  const find = compileFindProblem(TransactionSchema);
  const problems: [value: unknown, path: string, message: RegExp][] = [
    [undefined, '', /object/],
    [[], '', /object/],
    [{}, '', /must have the property user/],
    [{ user: 'a', events: {} }, '/events', /array/],
    [{ user: 'a', events: [] }, '/events', /fewer than 1 items|1/],
    [{ user: '*', events: [read] }, '/user', /mask of many users/],
    [{ user: 'a\n', events: [read] }, '/user', /control character/],
    [{ user: 'a', service: 7, events: [read] }, '/service', /string/],
    [{ user: 'a', events: [read, { event: 'Nothing' }] }, '/events/1', /no known form/],
    [{ user: 'a', events: [read, 7] }, '/events/1', /no known form/],
    [{ user: 'a', events: [{ ...read, uid: 0 }] }, '/events/0/uid', /1/],
    [{ user: 'a', events: [{ ...read, uid: undefined }] }, '/events/0/uid', /integer/],
    [
      { user: 'a', events: [{ event: 'MessageNew', ...place, keywords: ['a', 1, 2] }] },
      '/events/0/keywords/1',
      /string/,
    ],
  ];
  for (const [value, path, message] of problems) {
    test(`${JSON.stringify(value)}: ${path}`, () => {
      const problem = find(value);
      assert.equal(problem?.instancePath, path);
      assert.match(problem.message, message);
    });
  }

  test('there is one exactly when TypeBox says so, and it is where it is said to be', () => {
    const schema = Type.Object({
      a: Type.Optional(Type.Array(Type.Union([Type.Integer(), Type.String({ maxLength: 2 })]))),
      b: Type.Object({ c: Type.Boolean() }),
    });
    const findIn = compileFindProblem(schema);
    const value = fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          a: fc.oneof(fc.jsonValue(), fc.array(fc.oneof(fc.integer(), fc.string()))),
          b: fc.oneof(fc.jsonValue(), fc.record({ c: fc.oneof(fc.boolean(), fc.jsonValue()) })),
        },
        { requiredKeys: [] },
      ),
    );
    fc.assert(
      fc.property(value, (tried) => {
        const problem = findIn(tried);
        assert.equal(problem === undefined, Value.Check(schema, tried));
        if (problem === undefined) return;
        const steps = problem.instancePath.split('/').slice(1);
        const at = steps.reduce<unknown>((part, step) => (part as never)[step], tried);
        assert.ok(steps.length === 0 || at !== undefined);
        assert.notEqual(problem.message, '');
      }),
      { numRuns: 2_000 },
    );
  });
});
