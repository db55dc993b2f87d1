import { sign } from 'node:crypto';
import type { VapidCurve, VapidKey } from './vapid-key.ts';

export interface VapidClaims {
  /** The push service's origin, with the port unless it is the scheme's own. */
  aud: string;
  /** Seconds since the epoch, at most 24 hours ahead. */
  exp: number;
  /** A mailto: or https: contact. */
  sub?: string;
}

/** RFC 7518 section 3.4. Push services need only know ES256 (RFC 8292 section 2). */
const ALGORITHMS = {
  prime256v1: { name: 'ES256', digest: 'sha256' },
  secp384r1: { name: 'ES384', digest: 'sha384' },
  secp521r1: { name: 'ES512', digest: 'sha512' },
} as const satisfies Record<VapidCurve, { name: string; digest: string }>;

/** The JSON Web Token of RFC 8292 section 2, signed with the algorithm that belongs to the key's curve. */
export function signVapidToken(key: VapidKey, claims: VapidClaims): string {
  const algorithm = ALGORITHMS[key.curve];
  const signed = `${encode({ typ: 'JWT', alg: algorithm.name })}.${encode(claims)}`;
  // JWS takes the two numbers of a signature side by side (RFC 7518 section 3.4), not OpenSSL's DER.
  const signature = sign(algorithm.digest, Buffer.from(signed), {
    key: key.privateKey,
    dsaEncoding: 'ieee-p1363',
  });
  return `${signed}.${signature.toString('base64url')}`;
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
