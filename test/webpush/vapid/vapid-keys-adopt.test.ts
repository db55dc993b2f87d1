import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { createSealer } from '../../../src/stores/seal.ts';
import { VapidKeys } from '../../../src/webpush/vapid/vapid-keys.ts';
import { MemoryStore } from '../../support/memory-store.ts';

const makeKey = (namedCurve = 'prime256v1') => generateKeyPairSync('ec', { namedCurve }).privateKey;
const open = (store = new MemoryStore()) =>
  new VapidKeys({ store, sealer: createSealer(undefined), curve: 'prime256v1' });
const plain = { overwrite: false, dryRun: false };

describe('VapidKeys', () => {
  it('finds no key where there is none, and makes none', async () => {
    const store = new MemoryStore();
    assert.equal(await open(store).find('bob'), undefined);
    assert.deepEqual(await store.list('bob', ''), []);
  });

  for (const curve of ['prime256v1', 'secp384r1', 'secp521r1']) {
    it(`adopts a key on ${curve}, for good`, async () => {
      const store = new MemoryStore();
      const key = makeKey(curve);
      assert.equal(await open(store).adopt('bob', key, plain), 'added');
      const found = await open(store).find('bob');
      assert.ok(found !== undefined);
      assert.ok(found.privateKey.equals(key));
      assert.equal(found.curve, curve);
      assert.equal(await open(store).adopt('bob', key, plain), 'unchanged');
    });
  }

  it('keeps the key that is there, unless told to overwrite', async () => {
    const keys = open();
    const before = await keys.get('bob');
    const other = makeKey();
    assert.equal(await keys.adopt('bob', other, plain), 'kept');
    assert.equal((await keys.get('bob')).publicPem, before.publicPem);
    assert.equal(await keys.adopt('bob', other, { overwrite: true, dryRun: true }), 'changed');
    assert.equal((await keys.get('bob')).publicPem, before.publicPem);
    assert.equal(await keys.adopt('bob', other, { overwrite: true, dryRun: false }), 'changed');
    assert.ok((await keys.get('bob')).privateKey.equals(other));
  });

  it('asks the store again after it was told to forget', async () => {
    const store = new MemoryStore();
    const one = open(store);
    const before = await one.get('bob');
    const after = await open(store).rotate('bob');
    assert.equal((await one.get('bob')).publicPem, before.publicPem);
    one.forget();
    assert.equal((await one.get('bob')).publicPem, after.publicPem);
  });
});
