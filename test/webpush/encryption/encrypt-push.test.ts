import assert from 'node:assert/strict';
import { createECDH, createPrivateKey, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import ece from 'http_ece';
import webpush from 'web-push';
import { createReceiverSecrets, decryptPush } from '../../../src/cli/decrypt-push.ts';
import { InvalidInputError } from '../../../src/errors.ts';
import { encryptPush } from '../../../src/webpush/encryption/encrypt-push.ts';
import { parseReceiverKeys } from '../../../src/webpush/encryption/receiver-keys.ts';
import { octets, rfc8291, rfc8291Sender, toJwk } from '../../support/rfc8291-example.ts';

const rfcReceiver = () => parseReceiverKeys(rfc8291.keys);

async function newReceiver() {
  const secrets = await createReceiverSecrets();
  const keys = {
    p256dh: Buffer.from(secrets.publicPoint).toString('base64url'),
    auth: Buffer.from(secrets.auth).toString('base64url'),
  };
  return { secrets, keys, receiver: parseReceiverKeys(keys) };
}

describe('encryptPush', () => {
  it('gives the example of RFC 8291 byte for byte', () => {
    const body = encryptPush(rfc8291.plaintext, rfcReceiver(), {
      salt: octets(rfc8291.salt),
      sender: rfc8291Sender(),
    });
    assert.equal(body.toString('base64url'), rfc8291.body);
  });

  it('gives what http_ece gives for the same salt and key pair', () => {
    for (const size of [0, 1, 16, 17, 4_00, 3_993]) {
      const salt = randomBytes(16);
      const plaintext = randomBytes(size);
      const privateKey = createECDH('prime256v1');
      const point = privateKey.generateKeys();
      const sender = createSender(privateKey.getPrivateKey(), point);
      assert.deepEqual(
        encryptPush(plaintext, rfcReceiver(), { salt, sender }),
        ece.encrypt(plaintext, {
          version: 'aes128gcm',
          privateKey,
          authSecret: rfc8291.keys.auth,
          dh: rfc8291.keys.p256dh,
          salt,
        }),
        `${size} octets`,
      );
    }
  });

  it('is read by http_ece and by a receiver on Web Crypto, padded or not', async () => {
    const { secrets, receiver } = await newReceiver();
    const privateKey = createECDH('prime256v1');
    privateKey.setPrivateKey(await exportScalar(secrets.privateKey));
    for (const size of [0, 1, 1_022, 1_023, 1_024, 3_992, 3_993]) {
      for (const padding of [false, true]) {
        const plaintext = randomBytes(size);
        const body = encryptPush(plaintext, receiver, { padding });
        assert.ok(body.length <= 4_096);
        assert.deepEqual(Buffer.from(await decryptPush(Uint8Array.from(body), secrets)), plaintext);
        const parameters = { version: 'aes128gcm', privateKey, authSecret: receiver.auth } as const;
        assert.deepEqual(ece.decrypt(body, parameters), plaintext);
      }
    }
  });

  it('says the same as web-push to the same receiver', async () => {
    const { secrets, keys, receiver } = await newReceiver();
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'grapheme', maxLength: 900, minLength: 1 }),
        async (text) => {
          const theirs = webpush.encrypt(keys.p256dh, keys.auth, text, 'aes128gcm').cipherText;
          const ours = encryptPush(text, receiver);
          assert.equal(ours.length, theirs.length);
          for (const body of [ours, theirs]) {
            const read = await decryptPush(Uint8Array.from(body), secrets);
            assert.equal(new TextDecoder().decode(read), text);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('uses another key pair and salt for every push', () => {
    const [one, other] = [encryptPush('same', rfcReceiver()), encryptPush('same', rfcReceiver())];
    assert.notDeepEqual(one.subarray(0, 16), other.subarray(0, 16));
    assert.notDeepEqual(one.subarray(21, 86), other.subarray(21, 86));
  });

  it('refuses what does not fit one record: "at most, 3993 octets of plaintext"', () => {
    assert.equal(encryptPush('x'.repeat(3_993), rfcReceiver()).length, 4_096);
    assert.throws(() => encryptPush('x'.repeat(3_994), rfcReceiver()), InvalidInputError);
    assert.throws(() => encryptPush('é'.repeat(1_997), rfcReceiver()), InvalidInputError);
  });

  it('is not read with another secret, nor after a bit flipped', async () => {
    const { secrets, receiver } = await newReceiver();
    const body = Uint8Array.from(encryptPush('hello', receiver));
    const other = { ...secrets, auth: crypto.getRandomValues(new Uint8Array(16)) };
    await assert.rejects(decryptPush(body, other));
    const last = body.length - 1;
    body[last] = (body[last] ?? 0) ^ 1;
    await assert.rejects(decryptPush(body, secrets));
  });
});

describe('decryptPush', () => {
  it('reads the example of RFC 8291', async () => {
    const privateKey = await crypto.subtle.importKey(
      'jwk',
      toJwk(rfc8291.receiverPrivate, rfc8291.keys.p256dh),
      { name: 'ECDH', namedCurve: 'P-256' },
      false,
      ['deriveBits'],
    );
    const plaintext = await decryptPush(Uint8Array.from(octets(rfc8291.body)), {
      privateKey,
      publicPoint: Uint8Array.from(octets(rfc8291.keys.p256dh)),
      auth: Uint8Array.from(octets(rfc8291.keys.auth)),
    });
    assert.equal(new TextDecoder().decode(plaintext), rfc8291.plaintext);
  });
});

function createSender(scalar: Buffer, point: Buffer) {
  const jwk = toJwk(scalar.toString('base64url'), point.toString('base64url'));
  return { privateKey: createPrivateKey({ key: jwk, format: 'jwk' }), point };
}

async function exportScalar(key: Parameters<typeof crypto.subtle.exportKey>[1]): Promise<Buffer> {
  const jwk = (await crypto.subtle.exportKey('jwk', key)) as { d?: string };
  return octets(jwk.d ?? '');
}
