import { hash } from 'node:crypto';

const BLOCK_OCTETS = 64;
const DIGEST_OCTETS = 32;

/**
 * HMAC-SHA-256 (RFC 2104) for short keys and messages, out of two one-shot hashes: a third faster than
 * `createHmac`, which makes an object of each, and a push needs five.
 *
 * @param key at most 64 octets
 */
export function hmacSha256(key: Buffer, ...message: readonly Buffer[]): Buffer {
  let octets = BLOCK_OCTETS;
  for (const part of message) octets += part.length;
  const inner = Buffer.allocUnsafe(octets);
  const outer = Buffer.allocUnsafe(BLOCK_OCTETS + DIGEST_OCTETS);
  for (let index = 0; index < BLOCK_OCTETS; index += 1) {
    const octet = index < key.length ? (key[index] ?? 0) : 0;
    inner[index] = octet ^ 0x36;
    outer[index] = octet ^ 0x5c;
  }
  let at = BLOCK_OCTETS;
  for (const part of message) {
    inner.set(part, at);
    at += part.length;
  }
  outer.set(hash('sha256', inner, 'buffer'), BLOCK_OCTETS);
  return hash('sha256', outer, 'buffer');
}
