import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { InvalidInputError, UnavailableError } from '../../src/errors.ts';
import { createSealer } from '../../src/stores/seal.ts';
import { makeTempDir } from './make-temp-dir.ts';

const directory = makeTempDir();
after(directory.remove);

let serial = 0;
function keyFile(content: string | Buffer, mode = 0o600): string {
  const path = `${directory.path}/key${++serial}`;
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

const KEY = Buffer.from(Array.from({ length: 32 }, (_, index) => 200 + index));
const secret = Buffer.from('the private key');

describe('createSealer', () => {
  it('opens what it sealed, whatever it is', () => {
    const sealer = createSealer(keyFile(KEY));
    const plain = createSealer(undefined);
    fc.assert(
      fc.property(fc.uint8Array(), fc.string({ unit: 'binary' }), (octets, context) => {
        const plaintext = Buffer.from(octets);
        assert.deepEqual(sealer.open(sealer.seal(plaintext, context), context), plaintext);
        assert.deepEqual(plain.open(plain.seal(plaintext, context), context), plaintext);
      }),
    );
  });

  it('hides the secret and never writes the same twice', () => {
    const sealer = createSealer(keyFile(KEY));
    const sealed = sealer.seal(secret, 'u');
    assert.equal(sealed[0], 1);
    assert.equal(sealed.length, 1 + 12 + secret.length + 16);
    assert(!sealed.includes(secret.subarray(0, 4)));
    assert.notDeepEqual(sealer.seal(secret, 'u'), sealed);
  });

  for (const [form, content] of [
    ['raw', KEY],
    ['hex', KEY.toString('hex')],
    ['hex in capitals with a line end', `${KEY.toString('hex').toUpperCase()}\n`],
    ['base64', KEY.toString('base64')],
    ['base64 with spaces around', ` ${KEY.toString('base64')}\r\n`],
    ['base64url', KEY.toString('base64url')],
  ] as const)
    it(`takes a key in ${form} form`, () => {
      const sealed = createSealer(keyFile(KEY)).seal(secret, 'u');
      assert.deepEqual(createSealer(keyFile(content)).open(sealed, 'u'), secret);
    });

  for (const [what, content] of [
    ['an empty file', ''],
    ['31 octets', KEY.subarray(1)],
    ['33 octets', Buffer.concat([KEY, Buffer.of(10)])],
    ['a key of 16 octets in hex', 'a'.repeat(32)],
    ['a key of 31 octets in hex', 'a'.repeat(62)],
    ['a key of 33 octets in base64', Buffer.alloc(33, 7).toString('base64')],
    ['text', 'correct horse battery staple'],
    ['a large file', Buffer.alloc(100_000)],
  ] as const)
    it(`refuses ${what} as a key`, () => {
      assert.throws(() => createSealer(keyFile(content)), {
        name: 'InvalidInputError',
        message: /key of 32 octets.*openssl rand -hex 32/,
      });
    });

  for (const mode of [0o640, 0o604, 0o620, 0o601])
    it(`refuses a key file of mode ${mode.toString(8)}`, () => {
      assert.throws(() => createSealer(keyFile(KEY, mode)), {
        name: 'InvalidInputError',
        message: /chmod 600/,
      });
    });

  it('takes a key file that only its owner may read', () => {
    createSealer(keyFile(KEY, 0o400));
  });

  it('says which key file is missing', () => {
    assert.throws(() => createSealer('/nowhere/key'), {
      name: 'InvalidInputError',
      message: /\/nowhere\/key cannot be read: ENOENT/,
    });
    assert.throws(() => createSealer(directory.path), InvalidInputError);
  });

  it('opens in its context only', () => {
    const sealer = createSealer(keyFile(KEY));
    const sealed = sealer.seal(secret, 'webpush/vapid:alice');
    for (const context of ['webpush/vapid:bob', '', 'webpush/vapid:alice '])
      assert.throws(() => sealer.open(sealed, context), UnavailableError);
  });

  it('opens with its own key only', () => {
    const sealed = createSealer(keyFile(KEY)).seal(secret, 'u');
    const other = createSealer(keyFile(Buffer.alloc(32, 1)));
    assert.throws(() => other.open(sealed, 'u'), {
      name: 'UnavailableError',
      message: /store\.key_file is not the key/,
    });
  });

  it('notices every altered octet and every cut', () => {
    const sealer = createSealer(keyFile(KEY));
    const sealed = sealer.seal(secret, 'u');
    for (const index of sealed.keys()) {
      const altered = Buffer.from(sealed);
      altered[index]! ^= 2;
      assert.throws(() => sealer.open(altered, 'u'), UnavailableError, `octet ${index}`);
      assert.throws(() => sealer.open(sealed.subarray(0, index), 'u'), UnavailableError);
    }
  });

  it('opens plain values after encryption was turned on', () => {
    const plain = createSealer(undefined).seal(secret, 'u');
    assert.equal(plain[0], 0);
    assert.deepEqual(createSealer(keyFile(KEY)).open(plain, 'u'), secret);
  });

  it('says what to set when a sealed value meets no key', () => {
    const sealed = createSealer(keyFile(KEY)).seal(secret, 'u');
    assert.throws(() => createSealer(undefined).open(sealed, 'u'), {
      name: 'UnavailableError',
      message: /set store\.key_file/,
    });
  });
});
