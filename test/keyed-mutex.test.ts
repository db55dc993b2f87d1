import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { KeyedMutex } from '../src/keyed-mutex.ts';

describe('KeyedMutex', () => {
  it('runs the work of one key in the order of asking, never two at a time', async () => {
    const mutex = new KeyedMutex();
    const log: string[] = [];
    const work = (name: string) => async () => {
      log.push(`${name} begins`);
      await turn();
      log.push(`${name} ends`);
    };
    await Promise.all(['a', 'b', 'c'].map((name) => mutex.run('key', work(name))));
    assert.deepEqual(log, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  });

  it('lets the work of different keys run at the same time', async () => {
    const mutex = new KeyedMutex();
    const { promise, resolve } = Promise.withResolvers<string>();
    const first = mutex.run('a', () => promise);
    await mutex.run('b', () => {
      resolve('done');
      return Promise.resolve();
    });
    assert.equal(await first, 'done');
  });

  it('goes on after work that failed, and hands on its error and result', async () => {
    const mutex = new KeyedMutex();
    const failing = mutex.run('key', () => Promise.reject(new Error('no')));
    const next = mutex.run('key', () => Promise.resolve(7));
    await assert.rejects(failing, /^Error: no$/);
    assert.equal(await next, 7);
  });
});
