import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { IterateOptions } from '../../src/dict/dict-backend.ts';
import { selectPages } from '../../src/dict/select-pages.ts';
import { SOCKET_LIMITS } from '../../src/socket/socket-limits.ts';
import type { StoreEntry } from '../../src/stores/store.ts';

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
/** A row a page. */
async function selectRows(
  given: readonly StoreEntry[],
  path: string,
  options: IterateOptions,
  maxRows: number,
): Promise<StoreEntry[]> {
  // eslint-disable-next-line @typescript-eslint/require-await -- an asynchronous generator
  async function* pages(): AsyncIterable<StoreEntry[]> {
    for (const row of given) yield [row];
  }
  const selected: StoreEntry[] = [];
  for await (const page of selectPages(pages(), path, options, maxRows)) selected.push(...page);
  return selected;
}
const select = async (path: string, options: Partial<IterateOptions>, maxRows = 0) =>
  (await selectRows(rows, path, { ...base, ...options }, maxRows)).map(({ key }) => key);

describe('selectPages', () => {
  test('without recursion: nothing with a further slash (dict-file.c)', async () => {
    assert.deepEqual(await select('priv/a/', {}), ['priv/a/b', 'priv/a/']);
    assert.deepEqual(await select('priv/a', {}), ['priv/a', 'priv/ab']);
  });

  test('with recursion: all that begins with the path', async () => {
    assert.deepEqual(await select('priv/a/', { recurse: true }), [
      'priv/a/b',
      'priv/a/b/c',
      'priv/a/',
    ]);
    assert.equal((await select('priv/a', { recurse: true })).length, 5);
  });

  test('exact key: that key alone, unless with recursion', async () => {
    assert.deepEqual(await select('priv/a', { exactKey: true }), ['priv/a']);
    assert.deepEqual(await select('priv/', { exactKey: true }), []);
    assert.equal((await select('priv/a', { exactKey: true, recurse: true })).length, 5);
  });

  test('a row that does not begin with the path never gets out', async () => {
    for (const recurse of [true, false]) {
      for (const exactKey of [true, false]) {
        for (const path of ['priv/a/', 'priv/', 'shared/', 'nothing']) {
          for (const key of await select(path, { recurse, exactKey }))
            assert.ok(key.startsWith(path));
        }
      }
    }
  });

  test('sorts by the octets of the key', async () => {
    // U+FF5E comes before U+1F600 in UTF-8, and after its first half in UTF-16.
    const keys = ['priv/\u{1f600}', 'priv/\uff5e', 'priv/b', 'priv/a'];
    const sorted = await selectRows(
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

  test('sorts by the octets of the value', async () => {
    assert.deepEqual(await select('priv/a', { sort: 'value', recurse: true }), [
      'priv/ab',
      'priv/a/b',
      'priv/a/b/c',
      'priv/a/',
      'priv/a',
    ]);
  });

  test('cuts at the most rows after sorting; zero is all', async () => {
    assert.deepEqual(await select('priv/a', { sort: 'value', recurse: true }, 2), [
      'priv/ab',
      'priv/a/b',
    ]);
    assert.equal((await select('priv/a', { recurse: true }, 5)).length, 5);
    assert.equal((await select('priv/a', { recurse: true }, 6)).length, 5);
    assert.equal((await select('priv/a', { recurse: true }, 0)).length, 5);
  });

  test('leaves the rows it was given as they were', async () => {
    const given = [row('priv/b'), row('priv/a')];
    await selectRows(given, 'priv/', { ...base, sort: 'key' }, 1);
    assert.deepEqual(
      given.map(({ key }) => key),
      ['priv/b', 'priv/a'],
    );
  });

  test('refuses to sort more than fits into a little memory', async () => {
    const large = Array.from({ length: 65 }, (_, n) => ({
      key: `priv/${n}`,
      value: Buffer.alloc(65_536),
    }));
    assert(65 * 65_536 > SOCKET_LIMITS.dictSortedOctets);
    await assert.rejects(selectRows(large, 'priv/', { ...base, sort: 'key' }, 1), /not sorted/);
    assert.equal((await selectRows(large, 'priv/', base, 0)).length, 65);
  });
});
