import type { KeyObject } from 'node:crypto';

/** OpenSSL's names of the curves that `webpush.vapid_curve` may name. */
export type VapidCurve = 'prime256v1' | 'secp384r1' | 'secp521r1';

/** One user's VAPID key pair (RFC 8292). */
export interface VapidKey {
  curve: VapidCurve;
  privateKey: KeyObject;
  /** SubjectPublicKeyInfo as PEM without a final newline: what clients read over IMAP. */
  publicPem: string;
  /** The uncompressed point: what goes, base64url-encoded, into the `k` parameter. */
  publicPoint: Buffer;
}
