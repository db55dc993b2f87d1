import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { UnavailableError } from '../../errors.ts';
import type { VapidCurve, VapidKey } from './vapid-key.ts';

/**
 * Closes and opens secrets that go to the store. `context` is bound into the sealed octets: what was
 * sealed for one user does not open as another's.
 */
export interface Sealer {
  seal(plaintext: Buffer, context: string): Buffer;
  /** @throws when the octets were not sealed with this key and context */
  open(sealed: Buffer, context: string): Buffer;
}

export const VAPID_KEY = 'webpush/vapid';

const VERSION = 1;
const sealContext = (user: string): string => `${VAPID_KEY}:${user}`;

/** @param privateKey its PKCS #8 form is what is sealed */
export function encodeVapidRecord(user: string, privateKey: KeyObject, sealer: Sealer): Buffer {
  const plaintext = privateKey.export({ format: 'der', type: 'pkcs8' });
  const sealed = sealer.seal(plaintext, sealContext(user));
  return Buffer.from(JSON.stringify({ version: VERSION, privateKey: sealed.toString('base64') }));
}

/**
 * @throws UnavailableError the key cannot be read. It must not be replaced then: every subscription
 *   that was made with it would be lost, and the right key file may be back in a minute.
 */
export function decodeVapidRecord(user: string, octets: Buffer, sealer: Sealer): VapidKey {
  try {
    const record = JSON.parse(octets.toString()) as { version: number; privateKey: string };
    if (record.version !== VERSION) throw new TypeError('unknown version');
    const der = sealer.open(Buffer.from(record.privateKey, 'base64'), sealContext(user));
    return toVapidKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  } catch (cause) {
    throw new UnavailableError(
      `the VAPID key of ${user} cannot be read; is store.key_file the one that it was sealed with?`,
      { cause },
    );
  }
}

/** @param privateKey an EC key on one of the three curves */
export function toVapidKey(privateKey: KeyObject): VapidKey {
  const publicKey = createPublicKey(privateKey);
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
  const curve = privateKey.asymmetricKeyDetails?.namedCurve;
  if (!isVapidCurve(curve)) throw new TypeError('not a key on a VAPID curve');
  return {
    curve,
    privateKey,
    publicPem: publicKey.export({ format: 'pem', type: 'spki' }).trimEnd(),
    publicPoint: Buffer.concat([
      Buffer.of(0x04),
      Buffer.from(x, 'base64url'),
      Buffer.from(y, 'base64url'),
    ]),
  };
}

const isVapidCurve = (name: unknown): name is VapidCurve =>
  name === 'prime256v1' || name === 'secp384r1' || name === 'secp521r1';
