import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { firstMessageId, parseMessageIds } from '../../src/messages/parse-message-ids.ts';

describe('parseMessageIds', () => {
  const cases: [what: string, value: string, ids: string[]][] = [
    ['one', '<a@x>', ['a@x']],
    ['several', '<a@x> <b@y>\t<c@z>', ['a@x', 'b@y', 'c@z']],
    ['several without white space', '<a@x><b@y>', ['a@x', 'b@y']],
    ['several with commas', '<a@x>, <b@y>', ['a@x', 'b@y']],
    ['white space around', '  <a@x>  ', ['a@x']],
    ['no @', '<a>', ['a']],
    ['comment before', '(c) <a@x>', ['a@x']],
    ['comment that holds an id', '(was <old@x>) <a@x>', ['a@x']],
    ['nested comment', '(one (two) <old@x>) <a@x>', ['a@x']],
    ['comment with a quoted parenthesis', String.raw`(\) <old@x>) <a@x>`, ['a@x']],
    ['comment that never closes', '(oops <a@x>', ['a@x']],
    ['comment inside brackets', '<(c)a(d)@x>', ['a@x']],
    ['phrase before, as in old In-Reply-To', 'Your message of "Mon <b@y>" <a@x>', ['a@x']],
    ['quote that never closes', '"oops <a@x>', ['a@x']],
    ['quoted local part', '<"a b"@x>', ['"a b"@x']],
    ['quoted local part with a bracket', '<"a>b"@x>', ['"a>b"@x']],
    ['quoted local part with a quote', String.raw`<"a\"b"@x>`, [String.raw`"a\"b"@x`]],
    ['quoted local part with both', String.raw`<"a\">b"@x>`, [String.raw`"a\">b"@x`]],
    ['quote inside that never closes', '<a"@x>', ['a"@x']],
    ['domain literal', '<a@[192.0.2.1]>', ['a@[192.0.2.1]']],
    ['white space inside, left by folding', '<a\t b@ x>', ['ab@x']],
    ['doubled brackets', '<<a@x>>', ['a@x']],
    ['doubled brackets, and another', '<<a@x>> <b@y>', ['a@x', 'b@y']],
    ['missing closing bracket', '<a@x', ['a@x']],
    ['missing closing bracket, words after it', '<a@x and more', ['a@x']],
    ['missing closing bracket, another id after it', '<a@x <b@y>', ['a@x', 'b@y']],
    ['missing opening bracket', 'a@x>', ['a@x']],
    ['no brackets', 'a@x', ['a@x']],
    ['no brackets, several', 'a@x b@y,c@z', ['a@x', 'b@y', 'c@z']],
    ['empty brackets', '<> <a@x>', ['a@x']],
    ['only empty brackets', '<>', []],
    ['nothing', '', []],
    ['only white space', ' \t ', []],
  ];
  for (const [what, value, ids] of cases) {
    test(what, () => {
      assert.deepEqual(parseMessageIds(value), ids);
      assert.equal(firstMessageId(value), ids[0]);
    });
  }

  test('no value has no first id', () => assert.equal(firstMessageId(undefined), undefined));

  test('a hostile value of full length takes no long time', () => {
    const started = performance.now();
    for (const unit of ['(', '"', '<', '<(', '<"', '(\\', 'a', '<a ', '>']) {
      parseMessageIds(unit.repeat(200_000).slice(0, 200_000));
    }
    assert.ok(performance.now() - started < 2_000);
  });

  test('any text gives ids without white space outside quotes, and the first is the first', () => {
    const text = fc.string({
      unit: fc.constantFrom('<', '>', '(', ')', '"', '\\', ' ', ',', 'a', '@', '$'),
      maxLength: 24,
    });
    fc.assert(
      fc.property(fc.oneof(text, fc.string()), (value) => {
        const ids = parseMessageIds(value);
        assert.equal(firstMessageId(value), ids[0]);
        for (const id of ids) {
          assert.notEqual(id, '');
          assert.ok(/"/.test(id) || !/\s/.test(id));
        }
      }),
      { numRuns: 10_000 },
    );
  });
});
