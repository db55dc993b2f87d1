import { createPublicKey, type KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { errorMessage, InvalidInputError } from '../../errors.ts';
import { decodeBase64 } from './decode-base64.ts';
import type { PushResource } from '../subscriptions/subscription.ts';

/** A subscription's keys, ready for use (RFC 8291 section 3.1 and 3.2). */
export interface ReceiverKeys {
  publicKey: KeyObject;
  /** The same key as an uncompressed P-256 point: 65 octets. */
  point: Buffer;
  /** The authentication secret: 16 octets. */
  auth: Buffer;
}

/** SubjectPublicKeyInfo of a P-256 key up to the point itself (RFC 5480). */
const SPKI_PREFIX = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex');

/** @throws InvalidInputError naming the key that is not what RFC 8291 asks for */
export function parseReceiverKeys(keys: PushResource['keys']): ReceiverKeys {
  const point = decodeBase64(keys.p256dh);
  if (point?.length !== 65 || point[0] !== 4) {
    throw new InvalidInputError(
      'p256dh is not an uncompressed P-256 point: it must be 65 octets in base64 or base64url, the first of them 4',
    );
  }
  const auth = decodeBase64(keys.auth);
  if (auth?.length !== 16) {
    throw new InvalidInputError('auth is not 16 octets in base64 or base64url');
  }
  try {
    const der = Buffer.concat([SPKI_PREFIX, point]);
    return { publicKey: createPublicKey({ key: der, format: 'der', type: 'spki' }), point, auth };
  } catch (error) {
    throw new InvalidInputError(`p256dh is not a point on P-256: ${errorMessage(error)}`);
  }
}

/**
 * {@link parseReceiverKeys} for keys that come again: importing a point costs a sixth of an encryption.
 *
 * @param max how many subscriptions' keys are remembered
 */
export function createReceiverKeyCache(max = 5_000): (keys: PushResource['keys']) => ReceiverKeys {
  const cache = new LRUCache<string, ReceiverKeys>({ max });
  return (keys) => {
    const name = `${keys.p256dh} ${keys.auth}`;
    let parsed = cache.get(name);
    if (parsed === undefined) {
      parsed = parseReceiverKeys(keys);
      cache.set(name, parsed);
    }
    return parsed;
  };
}
