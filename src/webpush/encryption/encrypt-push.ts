import { createCipheriv, diffieHellman, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { InvalidInputError } from '../../errors.ts';
import { drawSalt } from './draw-salt.ts';
import { hmacSha256 } from './hmac-sha256.ts';
import { paddedLength } from './padded-length.ts';
import type { ReceiverKeys } from './receiver-keys.ts';
import {
  HEADER_OCTETS,
  MAX_BODY_OCTETS,
  MAX_PLAINTEXT_OCTETS,
  TAG_OCTETS,
} from './record-limits.ts';

export interface EncryptPushOptions {
  /** Fill up to the next 1 kB boundary. */
  padding?: boolean;
  /** 16 octets; drawn at random for every push when left out. Tests alone give it. */
  salt?: Buffer;
  /** Made anew for every push when left out. Tests alone give it. */
  sender?: SenderKeyPair;
}

export interface SenderKeyPair {
  privateKey: KeyObject;
  /** The public key as an uncompressed point: 65 octets. */
  point: Buffer;
}

// RFC 8291 section 3.4 and RFC 8188 sections 2.2 and 2.3: info strings. The octet 0x01 at the end of the
// latter two is HKDF-Expand's counter, whose single block is all that is needed of each.
const KEY_INFO = Buffer.from('WebPush: info\0', 'latin1');
const CEK_INFO = Buffer.from('Content-Encoding: aes128gcm\0\x01', 'latin1');
const NONCE_INFO = Buffer.from('Content-Encoding: nonce\0\x01', 'latin1');
const COUNTER = Buffer.of(1);

/** RFC 8188 section 2: the octet after the plaintext of the last record. */
const LAST_RECORD_DELIMITER = 2;

/**
 * Encrypts a push message for its receiver: RFC 8291, one aes128gcm record.
 *
 * Key pairs come as KeyObjects and go through `diffieHellman`: on Node 24 and 26 that is a quarter
 * faster than `createECDH`, which checks both keys again at every use, provided that the receiver's
 * key was imported before (see createReceiverKeyCache).
 *
 * @returns the request body, at most 4096 octets
 * @throws InvalidInputError the plaintext is longer than 3993 octets
 */
export function encryptPush(
  plaintext: string | Buffer,
  receiver: ReceiverKeys,
  options: EncryptPushOptions = {},
): Buffer {
  const octets = Buffer.byteLength(plaintext);
  if (octets > MAX_PLAINTEXT_OCTETS) {
    throw new InvalidInputError(
      `the push payload has ${octets} octets; at most ${MAX_PLAINTEXT_OCTETS} fit one record`,
    );
  }
  const salt = options.salt ?? drawSalt();
  const sender = options.sender ?? generateSenderKeyPair();
  const { key, nonce } = deriveKeys(receiver, sender, salt);

  const padded = Buffer.alloc(paddedLength(octets, options.padding ?? false));
  if (typeof plaintext === 'string') padded.write(plaintext, 'utf8');
  else plaintext.copy(padded);
  padded[octets] = LAST_RECORD_DELIMITER;

  const body = Buffer.allocUnsafe(HEADER_OCTETS + padded.length + TAG_OCTETS);
  salt.copy(body, 0);
  body.writeUInt32BE(MAX_BODY_OCTETS, 16);
  body[20] = sender.point.length;
  sender.point.copy(body, 21);
  const cipher = createCipheriv('aes-128-gcm', key, nonce);
  cipher.update(padded).copy(body, HEADER_OCTETS);
  cipher.final();
  cipher.getAuthTag().copy(body, HEADER_OCTETS + padded.length);
  return body;
}

function generateSenderKeyPair(): SenderKeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  // As JWK, because exporting DER costs nine times as much.
  const { x, y } = publicKey.export({ format: 'jwk' });
  const point = Buffer.allocUnsafe(65);
  point[0] = 4;
  point.write(x ?? '', 1, 32, 'base64url');
  point.write(y ?? '', 33, 32, 'base64url');
  return { privateKey, point };
}

/** RFC 8291 section 3.4; each HKDF step is an HMAC, because no output is longer than one block. */
function deriveKeys(
  receiver: ReceiverKeys,
  sender: SenderKeyPair,
  salt: Buffer,
): { key: Buffer; nonce: Buffer } {
  const secret = diffieHellman({
    privateKey: sender.privateKey,
    publicKey: receiver.publicKey,
  });
  const keyPrk = hmacSha256(receiver.auth, secret);
  const inputKey = hmacSha256(keyPrk, KEY_INFO, receiver.point, sender.point, COUNTER);
  const prk = hmacSha256(salt, inputKey);
  return {
    key: hmacSha256(prk, CEK_INFO).subarray(0, 16),
    nonce: hmacSha256(prk, NONCE_INFO).subarray(0, 12),
  };
}
