import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { summarizeAnswer } from '../../../src/webpush/client/summarize-answer.ts';

const SECRET = 'a-secret-that-is-long-enough';
const target = `/send/./${SECRET}?token=another-long-secret&x=it's%20a%2dquoted-secret`;
const endpoint = { url: new URL(`https://push.example${target}`), target };
const summarize = (text: string) => summarizeAnswer(Buffer.from(text), endpoint);

describe('what an error of a push service says in the log', () => {
  const cases: [body: string, said: string | undefined][] = [
    ['', undefined],
    ['<html><b> </b></html>', undefined],
    ['<html><h1>400 Bad\n Request</h1></html>', '400 Bad Request'],
    ['a < b', 'a < b'],
    ['see https://push.example/errors for more', 'see … for more'],
    [`no ${SECRET} here`, 'no … here'],
    [`no it's%20a%2dquoted-secret here`, 'no … here'],
    [`no it%27s%20a%2dquoted-secret here`, 'no … here'],
    [`no it's a-quoted-secret here`, 'no … here'],
    ['x'.repeat(300), `${'x'.repeat(200)}…`],
  ];
  for (const [body, said] of cases) {
    test(JSON.stringify(body.slice(0, 60)), () => assert.equal(summarize(body), said));
  }

  test('never a part of the endpoint, wherever the body is cut', () => {
    fc.assert(
      fc.property(fc.integer({ min: 3_000, max: 5_000 }), (before) => {
        // A tag goes, so that the place of the cut would show.
        const said = summarize(`<${'i'.repeat(before)}>${SECRET.repeat(200)}`) ?? '';
        assert.ok(!said.includes(SECRET.slice(0, 8)), said);
      }),
      { numRuns: 500 },
    );
  });
});
