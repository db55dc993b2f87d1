import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ReadCache } from '../../../src/stores/sqlite/read-cache.ts';

function setUp() {
  const cache = new ReadCache();
  const state = { value: 'one', reads: 0 };
  const read = (user = 'anna', name = 'key', octets = 10): string =>
    cache.read(
      user,
      name,
      () => {
        state.reads += 1;
        return state.value;
      },
      () => octets,
    );
  return { cache, state, read };
}

describe('ReadCache', () => {
  it('reads twice what does not change', () => {
    const { state, read } = setUp();
    for (let count = 0; count < 5; count += 1) {
      assert.deepEqual([read(), read('anna', 'other'), read('bob')], ['one', 'one', 'one']);
    }
    assert.equal(state.reads, 6);
  });

  it('reads anew after a commit of that user, also after one that failed', async () => {
    const { cache, state, read } = setUp();
    for (const user of ['anna', 'bob', 'anna', 'bob']) read(user);
    await cache.around('anna', () => Promise.resolve((state.value = 'two')));
    assert.equal(read(), 'two');
    assert.equal(state.reads, 5);
    await assert.rejects(
      cache.around('anna', () => {
        state.value = 'three';
        return Promise.reject(new Error('nobody knows whether it took place'));
      }),
    );
    assert.equal(read(), 'three');
    assert.equal(read('bob'), 'one');
  });

  it('keeps nothing that was read while a commit was under way', async () => {
    const { cache, state, read } = setUp();
    read();
    read();
    const commits = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
    const done = commits.map(({ promise }) => cache.around('anna', () => promise));
    state.value = 'two';
    read();
    commits[0]?.resolve(undefined);
    await done[0];
    state.value = 'three';
    assert.equal(read(), 'three');
    state.value = 'four';
    commits[1]?.resolve(undefined);
    await done[1];
    assert.equal(read(), 'four');
    assert.equal(read(), 'four');
  });

  it('keeps nothing that is large', () => {
    const { state, read } = setUp();
    for (let count = 0; count < 4; count += 1) read('anna', 'large', 100_000);
    assert.equal(state.reads, 4);
  });
});
