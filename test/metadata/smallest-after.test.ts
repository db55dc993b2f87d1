import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { smallestAfter } from '../../src/metadata/smallest-after.ts';

async function* shuffled(names: readonly string[]): AsyncIterable<string> {
  for (const name of names) yield await Promise.resolve(name);
}

it('pages through names that come in no order, each once', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.string({ minLength: 1 })),
      fc.integer({ min: 1, max: 5 }),
      async (names, limit) => {
        const seen: string[] = [];
        for (let after = ''; ;) {
          const page = await smallestAfter(shuffled(names), after, limit);
          assert.ok(page.length <= limit);
          seen.push(...page);
          const last = page.at(-1);
          if (last === undefined) break;
          after = last;
        }
        assert.deepEqual(seen, [...names].sort());
      },
    ),
    { numRuns: 200 },
  );
});
