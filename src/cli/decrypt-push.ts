import type { webcrypto } from 'node:crypto';

/** What a user agent holds of its subscription (RFC 8291 section 3.1 and 3.2). */
export interface ReceiverSecrets {
  /** P-256, for ECDH. */
  privateKey: webcrypto.CryptoKey;
  /** The public key of the same pair as an uncompressed point: 65 octets. */
  publicPoint: Uint8Array<ArrayBuffer>;
  /** The authentication secret: 16 octets. */
  auth: Uint8Array<ArrayBuffer>;
}

const text = new TextEncoder();
const P256 = { name: 'ECDH', namedCurve: 'P-256' };

/** Makes the secrets of a new subscription, as a user agent does. */
export async function createReceiverSecrets(): Promise<ReceiverSecrets> {
  const pair = await crypto.subtle.generateKey(P256, true, ['deriveBits']);
  const publicPoint = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey));
  return {
    privateKey: pair.privateKey,
    publicPoint,
    auth: crypto.getRandomValues(new Uint8Array(16)),
  };
}

/**
 * Decrypts a push message as a user agent does: RFC 8291, aes128gcm. Written against Web Crypto, and
 * sharing nothing with the code that encrypts, so that agreement between the two means something.
 *
 * @throws Error the body is not a single whole record for this receiver
 */
export async function decryptPush(
  body: Uint8Array<ArrayBuffer>,
  receiver: ReceiverSecrets,
): Promise<Uint8Array<ArrayBuffer>> {
  // RFC 8188 section 2.1: salt (16), record size (4), length of the key id (1), key id.
  const salt = body.slice(0, 16);
  const recordSize = new DataView(body.buffer, body.byteOffset).getUint32(16);
  const senderPoint = body.slice(21, 21 + (body[20] ?? 0));
  const record = body.slice(21 + senderPoint.length);
  if (record.length > recordSize) throw new Error('the push has more than one record');

  const senderKey = await crypto.subtle.importKey('raw', senderPoint, P256, false, []);
  const secret = await crypto.subtle.deriveBits(
    { name: 'ECDH', public: senderKey },
    receiver.privateKey,
    256,
  );
  const keyInfo = join(text.encode('WebPush: info\0'), receiver.publicPoint, senderPoint);
  const inputKey = await hkdf(new Uint8Array(secret), receiver.auth, keyInfo, 32);
  const contentKey = await crypto.subtle.importKey(
    'raw',
    await hkdf(inputKey, salt, text.encode('Content-Encoding: aes128gcm\0'), 16),
    'AES-GCM',
    false,
    ['decrypt'],
  );
  const iv = await hkdf(inputKey, salt, text.encode('Content-Encoding: nonce\0'), 12);
  const padded = new Uint8Array(
    await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, contentKey, record),
  );
  return withoutPadding(padded);
}

/** RFC 8188 section 2: zeros, and before them the delimiter of the last record. */
function withoutPadding(padded: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const end = padded.findLastIndex((octet) => octet !== 0);
  if (padded[end] !== 2) throw new Error('the push does not end with the last record');
  return padded.slice(0, end);
}

async function hkdf(
  input: Uint8Array<ArrayBuffer>,
  salt: Uint8Array<ArrayBuffer>,
  info: Uint8Array<ArrayBuffer>,
  octets: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const key = await crypto.subtle.importKey('raw', input, 'HKDF', false, ['deriveBits']);
  const parameters = { name: 'HKDF', hash: 'SHA-256', salt, info };
  return new Uint8Array(await crypto.subtle.deriveBits(parameters, key, octets * 8));
}

function join(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
