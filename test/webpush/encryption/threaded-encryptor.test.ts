import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, describe, it } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { createReceiverSecrets, decryptPush } from '../../../src/cli/decrypt-push.ts';
import { InvalidInputError, UnavailableError } from '../../../src/errors.ts';
import {
  createThreadedEncryptor,
  startEncryptionWorker,
} from '../../../src/webpush/encryption/threaded-encryptor.ts';
import { buildSource } from '../../support/build-source.ts';

const secrets = await createReceiverSecrets();
const keys = {
  p256dh: Buffer.from(secrets.publicPoint).toString('base64url'),
  auth: Buffer.from(secrets.auth).toString('base64url'),
};

const read = async (body: Buffer): Promise<string> =>
  new TextDecoder().decode(await decryptPush(Uint8Array.from(body), secrets));

describe('createThreadedEncryptor', () => {
  it('encrypts many at a time, each for itself', async () => {
    const encryptor = createThreadedEncryptor();
    after(() => encryptor.close());
    const texts = Array.from({ length: 100 }, (_, index) => `push ${index} `.repeat(index + 1));
    const bodies = await Promise.all(texts.map((text) => encryptor.encrypt(text, keys, false)));
    assert.deepEqual(await Promise.all(bodies.map(read)), texts);
    const padded = await encryptor.encrypt('short', keys, true);
    assert.equal(padded.length, 86 + 1_024 + 16);
    assert.equal(await read(padded), 'short');
  });

  for (const [where, others] of [
    ['here', 0],
    ['on the thread', 20],
  ] as const) {
    it(`refuses keys that are none, and nothing else that comes with them, ${where}`, async () => {
      const encryptor = createThreadedEncryptor();
      after(() => encryptor.close());
      const results = await Promise.allSettled([
        encryptor.encrypt('one', keys, false),
        encryptor.encrypt('two', { ...keys, p256dh: 'AAAA' }, false),
        encryptor.encrypt('x'.repeat(3_994), keys, false),
        encryptor.encrypt('four', keys, false),
        ...Array.from({ length: others }, () => encryptor.encrypt('other', keys, false)),
      ]);
      const [one, two, three, four] = results;
      assert.equal(one.status === 'fulfilled' && (await read(one.value)), 'one');
      assert.ok(two.status === 'rejected' && two.reason instanceof InvalidInputError);
      assert.match(String(two.reason), /p256dh/);
      assert.ok(three.status === 'rejected' && three.reason instanceof InvalidInputError);
      assert.equal(four.status === 'fulfilled' && (await read(four.value)), 'four');
    });
  }

  it('does a few itself while the thread has nothing to do, and leaves it many', async () => {
    let asked = 0;
    const encryptor = createThreadedEncryptor(() => {
      const worker = startEncryptionWorker();
      const post = worker.postMessage.bind(worker);
      worker.postMessage = (value: unknown) => {
        asked += 1;
        post(value);
      };
      return worker;
    });
    after(() => encryptor.close());
    const encrypt = (count: number) =>
      Promise.all(Array.from({ length: count }, () => encryptor.encrypt('push', keys, false)));
    for (const body of await encrypt(4)) assert.equal(await read(body), 'push');
    assert.equal(asked, 0);
    for (const body of await encrypt(5)) assert.equal(await read(body), 'push');
    assert.equal(asked, 1);
  });

  it('says so when its thread dies, and goes on with another', async () => {
    let worker: Worker | undefined;
    const encryptor = createThreadedEncryptor(() => (worker = startEncryptionWorker()));
    after(() => encryptor.close());
    const many = (text: string) =>
      Array.from({ length: 40 }, () => encryptor.encrypt(text, keys, false));
    for (const body of await Promise.all(many('before'))) assert.equal(await read(body), 'before');
    const lost = many('lost');
    setImmediate(() => void worker?.terminate());
    const results = await Promise.allSettled(lost);
    const reasons = results.flatMap((one) =>
      one.status === 'rejected' ? [one.reason as unknown] : [],
    );
    assert.ok(reasons.length > 0 && reasons.every((it) => it instanceof UnavailableError));
    for (const body of await Promise.all(many('after'))) assert.equal(await read(body), 'after');
  });

  it('starts from a build, and lets an idle process end', () => {
    const built = buildSource(['src/errors.ts', 'src/webpush/**/*.ts']);
    after(built.remove);
    const script = `
      const { createThreadedEncryptor } = await import('./src/webpush/encryption/threaded-encryptor.js');
      const encryptor = createThreadedEncryptor();
      const many = Array.from({ length: 20 }, () =>
        encryptor.encrypt('built', ${JSON.stringify(keys)}, false));
      const bodies = await Promise.all(many);
      console.log(new Set(bodies.map(({ length }) => length)));`;
    const options = { cwd: built.path, encoding: 'utf8', timeout: 30_000 } as const;
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], options);
    assert.equal(output, `Set(1) { ${86 + 6 + 16} }\n`);
  });
});
