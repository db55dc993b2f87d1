import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { InvalidInputError } from '../src/errors.ts';
import { checkUserName, MAX_USER_NAME, problemOfUserName } from '../src/user-name.ts';

describe('the name of one user', () => {
  const names = [
    'alice',
    'alice@example.org',
    'jörg müller@bücher.example',
    ' alice ',
    '%u',
    '-A',
    'a/b\\c',
    '🦄',
    '[a-z]',
    'x'.repeat(MAX_USER_NAME),
  ];
  for (const name of names) {
    test(`is: ${name.slice(0, 40)}`, () => assert.equal(checkUserName(name), name));
  }

  const refused: [name: string, problem: RegExp][] = [
    ['', /is empty/],
    [' ', /no visible character/],
    ['   ', /no visible character/],
    ['\u00a0\u2003\u3000', /no visible character/],
    ['\u200b\u2060\ufeff', /no visible character/],
    ['*', /mask of many users/],
    ['alice*', /mask/],
    ['*@example.org', /mask/],
    ['al?ce', /mask/],
    ['alice\\*', /mask/],
    ['alice\n', /control/],
    ['alice\0', /control/],
    ['\u0085', /control/],
    ['\ud800', /not UTF-8/],
    ['x'.repeat(MAX_USER_NAME + 1), /longer/],
  ];
  for (const [name, problem] of refused) {
    test(`is not: ${JSON.stringify(name.slice(0, 40))}`, () => {
      assert.match(problemOfUserName(name) ?? '', problem);
      assert.throws(
        () => checkUserName(name),
        (error) => error instanceof InvalidInputError && problem.test(error.message),
      );
    });
  }

  test('none that passes is a mask to doveadm, ends a line, or changes on the way', () => {
    const name = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.array(fc.constantFrom('a', ' ', '*', '?', '\\', '\n', '\0', '@', '\ud800'), {
        maxLength: 6,
      }),
    );
    fc.assert(
      fc.property(name, (made) => {
        const user = typeof made === 'string' ? made : made.join('');
        if (problemOfUserName(user) !== undefined) return;
        assert.ok(user.trim() !== '' && !/[*?\n\r\0]/.test(user));
        assert.equal(Buffer.from(user).toString(), user);
      }),
      { numRuns: 5_000 },
    );
  });
});
