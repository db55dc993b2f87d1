import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { MAX_TOKEN_OCTETS } from '../subscriptions/subscription-limits.ts';

/** Gives that many random octets; `crypto.randomBytes` unless a test wants to know them. */
export type RandomBytes = (octets: number) => Buffer;

/** 256 bits: the client has minutes to answer, a guesser has no chance in any time. */
const TOKEN_OCTETS = 32;

/**
 * A new validation text: 43 characters of base64url, so it needs no quoting in JSON and is a plain
 * quoted string in IMAP (webpush-spec, "Sending a Validation Push Message": at most 1 kB).
 */
export const createValidationToken = (random: RandomBytes = randomBytes): string =>
  random(TOKEN_OCTETS).toString('base64url');

/** What is kept of a token: who reads the store cannot validate with it. */
export const hashToken = (token: string | Uint8Array): string =>
  createHash('sha256').update(token).digest('base64url');

/** Whether `value` is the token that `hash` was made of, in a time that tells nothing about it. */
export function matchesToken(value: string | Uint8Array, hash: string): boolean {
  if (Buffer.byteLength(value) > MAX_TOKEN_OCTETS) return false;
  const given = createHash('sha256').update(value).digest();
  const kept = Buffer.from(hash, 'base64url');
  return kept.length === given.length && timingSafeEqual(given, kept);
}

/** The payload of a validation push: `{"validation":"…"}`. */
export const formatValidationPayload = (token: string): string =>
  JSON.stringify({ validation: token });
