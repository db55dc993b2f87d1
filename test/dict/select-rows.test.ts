import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { IterateOptions } from '../../src/dict/dict-backend.ts';
import { selectRows } from '../../src/dict/select-rows.ts';

const row = (key: string, value = '') => ({ key, value: Buffer.from(value) });
const base: IterateOptions = { recurse: false, exactKey: false, noValue: false, sort: 'no' };
const rows = [
  row('priv/a/b', '2'),
  row('priv/a', '9'),
  row('priv/ab', '1'),
  row('priv/a/b/c', '3'),
  row('priv/a/', '4'),
  row('priv/b', '5'),
  row('shared/priv/a/b', '6'),
];
const select = (path: string, options: Partial<IterateOptions>, maxRows = 0) =>
  selectRows(rows, path, { ...base, ...options }, maxRows).map(({ key }) => key);

describe('selectRows', () => {
  test('without recursion: nothing with a further slash (dict-file.c)', () => {
    assert.deepEqual(select('priv/a/', {}), ['priv/a/b', 'priv/a/']);
    assert.deepEqual(select('priv/a', {}), ['priv/a', 'priv/ab']);
  });

  test('with recursion: all that begins with the path', () => {
    assert.deepEqual(select('priv/a/', { recurse: true }), ['priv/a/b', 'priv/a/b/c', 'priv/a/']);
    assert.equal(select('priv/a', { recurse: true }).length, 5);
  });

  test('exact key: that key alone, unless with recursion', () => {
    assert.deepEqual(select('priv/a', { exactKey: true }), ['priv/a']);
    assert.deepEqual(select('priv/', { exactKey: true }), []);
    assert.equal(select('priv/a', { exactKey: true, recurse: true }).length, 5);
  });

  test('a row that does not begin with the path never gets out', () => {
    for (const recurse of [true, false]) {
      for (const exactKey of [true, false]) {
        for (const path of ['priv/a/', 'priv/', 'shared/', 'nothing']) {
          for (const key of select(path, { recurse, exactKey })) assert.ok(key.startsWith(path));
        }
      }
    }
  });

  test('sorts by the octets of the key', () => {
    // U+FF5E comes before U+1F600 in UTF-8, and after its first half in UTF-16.
    const keys = ['priv/\u{1f600}', 'priv/\uff5e', 'priv/b', 'priv/a'];
    const sorted = selectRows(
      keys.map((key) => row(key)),
      'priv/',
      { ...base, sort: 'key' },
      0,
    );
    assert.deepEqual(
      sorted.map(({ key }) => key),
      ['priv/a', 'priv/b', 'priv/\uff5e', 'priv/\u{1f600}'],
    );
  });

  test('sorts by the octets of the value', () => {
    assert.deepEqual(select('priv/a', { sort: 'value', recurse: true }), [
      'priv/ab',
      'priv/a/b',
      'priv/a/b/c',
      'priv/a/',
      'priv/a',
    ]);
  });

  test('cuts at the most rows after sorting; zero is all', () => {
    assert.deepEqual(select('priv/a', { sort: 'value', recurse: true }, 2), [
      'priv/ab',
      'priv/a/b',
    ]);
    assert.equal(select('priv/a', { recurse: true }, 5).length, 5);
    assert.equal(select('priv/a', { recurse: true }, 6).length, 5);
    assert.equal(select('priv/a', { recurse: true }, 0).length, 5);
  });

  test('leaves the rows it was given as they were', () => {
    const given = [row('priv/b'), row('priv/a')];
    selectRows(given, 'priv/', { ...base, sort: 'key' }, 1);
    assert.deepEqual(
      given.map(({ key }) => key),
      ['priv/b', 'priv/a'],
    );
  });
});
