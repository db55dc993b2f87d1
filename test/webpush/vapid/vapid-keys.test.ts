import assert from 'node:assert/strict';
import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { describe, it } from 'node:test';
import { UnavailableError } from '../../../src/errors.ts';
import type { VapidCurve } from '../../../src/webpush/vapid/vapid-key.ts';
import { VapidKeys, type VapidKeysOptions } from '../../../src/webpush/vapid/vapid-keys.ts';
import { encodeVapidRecord, type Sealer } from '../../../src/webpush/vapid/vapid-record.ts';
import { ManualClock, TestStore } from '../subscriptions/subscription-fixtures.ts';

/** AES-GCM with the context as associated data: refuses what was sealed otherwise. */
function createSealer(key = randomBytes(32)): Sealer {
  return {
    seal(plaintext, context) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context));
      const sealed = Buffer.concat([cipher.update(plaintext), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
    },
    open(sealed, context) {
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12));
      decipher.setAAD(Buffer.from(context)).setAuthTag(sealed.subarray(12, 28));
      return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]);
    },
  };
}

const create = (options: Partial<VapidKeysOptions> = {}) => {
  const all = { store: new TestStore(), sealer: createSealer(), curve: 'prime256v1' as VapidCurve };
  return new VapidKeys({ ...all, ...options });
};

const CURVES: [curve: VapidCurve, pointOctets: number][] = [
  ['prime256v1', 65],
  ['secp384r1', 97],
  ['secp521r1', 133],
];

describe('a VAPID key', () => {
  for (const [curve, pointOctets] of CURVES) {
    it(`on ${curve} has a public PEM and point that belong to its private key`, async () => {
      // Several, for coordinates with leading zeros.
      for (let count = 0; count < 30; count++) {
        const key = await create({ curve }).get('u');
        assert.equal(key.curve, curve);
        assert.equal(key.publicPoint.length, pointOctets);
        assert.equal(key.publicPoint[0], 4);
        const publicKey = createPublicKey(key.publicPem);
        const der = publicKey.export({ format: 'der', type: 'spki' });
        assert.deepEqual(der.subarray(-pointOctets), key.publicPoint);
        const signature = sign('sha256', Buffer.from('x'), key.privateKey);
        assert.equal(verify('sha256', Buffer.from('x'), publicKey, signature), true);
      }
    });
  }

  it('"MUST return the VAPID key in the base 64-encoded form of the PEM encoded key", as the example shows it', async () => {
    const { publicPem } = await create().get('u');
    assert.match(
      publicPem,
      /^-----BEGIN PUBLIC KEY-----\n[A-Za-z0-9+/]{64}\n[A-Za-z0-9+/]+={0,2}\n-----END PUBLIC KEY-----$/,
    );
  });

  it('is made once, however many ask at once, and is the same ever after', async () => {
    const store = new TestStore();
    const sealer = createSealer();
    let reads = 0;
    const get = store.get.bind(store);
    store.get = (user, key) => (reads++, get(user, key));
    const keys = create({ store, sealer });
    const pems = await Promise.all(
      Array.from({ length: 50 }, async () => (await keys.get('u')).publicPem),
    );
    assert.equal(new Set(pems).size, 1);
    assert.equal(store.commits.length, 1);
    assert.equal(reads, 2, 'one look, and one after storing');
    const restarted = await create({ store, sealer }).get('u');
    assert.equal(restarted.publicPem, pems[0]);
    assert.equal(store.commits.length, 1);
  });

  it('is a different one for each user', async () => {
    const keys = create();
    assert.notEqual((await keys.get('a')).publicPem, (await keys.get('b')).publicPem);
  });

  it('stays on its curve when another is configured; new users get the new curve', async () => {
    const store = new TestStore();
    const sealer = createSealer();
    const old = await create({ store, sealer, curve: 'prime256v1' }).get('old');
    const keys = create({ store, sealer, curve: 'secp384r1' });
    assert.equal((await keys.get('old')).publicPem, old.publicPem);
    assert.equal((await keys.get('old')).curve, 'prime256v1');
    assert.equal((await keys.get('new')).curve, 'secp384r1');
  });

  it('goes to the store sealed', async () => {
    const store = new TestStore();
    const key = await create({ store }).get('u');
    const der = key.privateKey.export({ format: 'der', type: 'pkcs8' });
    const record = JSON.parse(String(await store.get('u', 'webpush/vapid'))) as {
      privateKey: string;
    };
    const stored = Buffer.from(record.privateKey, 'base64');
    assert(!stored.includes(der) && !stored.includes(der.subarray(-100)));
  });

  it('does not open as the key of another user', async () => {
    const store = new TestStore();
    const keys = create({ store });
    await keys.get('u');
    const value = (await store.get('u', 'webpush/vapid'))!;
    await store.commit('thief', [{ op: 'set', key: 'webpush/vapid', value }]);
    await assert.rejects(keys.get('thief'), UnavailableError);
  });

  it('is never replaced because it cannot be read', async () => {
    const store = new TestStore();
    const sealer = createSealer();
    const { publicPem } = await create({ store, sealer }).get('u');
    await assert.rejects(create({ store }).get('u'), UnavailableError);
    assert.equal((await create({ store, sealer }).get('u')).publicPem, publicPem);
    const good = String(await store.get('u', 'webpush/vapid'));
    const newer = good.replace('"version":1', '"version":2');
    assert.notEqual(newer, good);
    for (const junk of [
      newer,
      '',
      'junk',
      '{}',
      'null',
      '{"version":2,"privateKey":""}',
      '{"version":1}',
    ]) {
      const change = { op: 'set', key: 'webpush/vapid', value: Buffer.from(junk) } as const;
      await store.commit('u', [change]);
      await assert.rejects(create({ store, sealer }).get('u'), UnavailableError);
      assert.equal(String(await store.get('u', 'webpush/vapid')), junk);
    }
  });

  it('is not handed out when it could not be stored; the next to ask makes one', async () => {
    const store = new TestStore();
    const keys = create({ store });
    store.full = true;
    await assert.rejects(keys.get('u'), UnavailableError);
    store.full = false;
    const { publicPem } = await keys.get('u');
    assert.equal((await keys.get('u')).publicPem, publicPem);
    assert.equal(store.commits.length, 1);
  });

  it('is the stored one when another sidecar stored its own at the same moment', async () => {
    const sealer = createSealer();
    const store = new TestStore();
    const other = await create({ store: new TestStore(), sealer }).get('u');
    const commit = store.commit.bind(store);
    const value = encodeVapidRecord('u', other.privateKey, sealer);
    store.commit = async (user, changes) => {
      await commit(user, changes);
      return commit(user, [{ op: 'set', key: 'webpush/vapid', value }]);
    };
    assert.equal((await create({ store, sealer }).get('u')).publicPem, other.publicPem);
  });

  it('is one key, although several sidecars make one at the same moment', async () => {
    const shared = { sealer: createSealer(), store: new TestStore() };
    const sidecars = [1, 2, 3].map(() => create(shared));
    const keys = await Promise.all(sidecars.map((keys) => keys.get('u')));
    assert.equal(new Set(keys.map(({ publicPem }) => publicPem)).size, 1);
    assert.equal(shared.store.commits.length, 1);
  });

  it('comes from memory, and from the store again after a while or when memory is short', async () => {
    const clock = new ManualClock();
    const store = new TestStore();
    let reads = 0;
    const get = store.get.bind(store);
    store.get = (user, key) => (reads++, get(user, key));
    const keys = create({ store, clock, cacheMsecs: 1_000, cacheSize: 2 });
    for (const user of ['a', 'b']) await keys.get(user);
    reads = 0;
    for (let count = 0; count < 9; count++) await keys.get('a');
    assert.equal(reads, 0);
    clock.msecs += 1_001;
    await keys.get('a');
    assert.equal(reads, 1);
    await keys.get('b');
    await keys.get('c');
    reads = 0;
    await keys.get('a');
    assert.equal(reads, 1);
  });

  it('can be replaced by an admin, for good, on the curve configured by then', async () => {
    const store = new TestStore();
    const sealer = createSealer();
    const old = await create({ store, sealer }).get('u');
    const keys = create({ store, sealer, curve: 'secp521r1' });
    const rotated = await keys.rotate('u');
    assert.equal(rotated.curve, 'secp521r1');
    assert.notEqual(rotated.publicPem, old.publicPem);
    assert.equal((await keys.get('u')).publicPem, rotated.publicPem);
    assert.equal((await create({ store, sealer }).get('u')).publicPem, rotated.publicPem);
  });

  it('is not handed out any more once its replacement was stored, even if that cannot be read', async () => {
    const store = new TestStore();
    const keys = create({ store });
    const { publicPem } = await keys.get('u');
    const get = store.get.bind(store);
    store.get = () => Promise.reject(new UnavailableError('the store is gone'));
    await assert.rejects(keys.rotate('u'), UnavailableError);
    store.get = get;
    assert.notEqual((await keys.get('u')).publicPem, publicPem);
  });

  it('stays when a replacement cannot be stored', async () => {
    const store = new TestStore();
    const keys = create({ store });
    const { publicPem } = await keys.get('u');
    store.full = true;
    await assert.rejects(keys.rotate('u'), UnavailableError);
    assert.equal((await keys.get('u')).publicPem, publicPem);
  });
});
