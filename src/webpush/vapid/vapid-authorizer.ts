import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import type { VapidKey } from './vapid-key.ts';
import { signVapidToken, type VapidClaims } from './sign-vapid-token.ts';

export interface VapidAuthorizer {
  /**
   * The value of the Authorization header for one push (RFC 8292 section 3).
   *
   * @param origin the endpoint's, as `URL.origin` gives it
   */
  authorize(key: VapidKey, origin: string): string;

  /** Drops the token: the service refused it, and the next push is to carry a fresh one. */
  forget(key: VapidKey, origin: string): void;
}

export interface VapidAuthorizerOptions {
  /** `webpush.vapid_subject`, asked for with each push; empty for no `sub` claim. */
  readonly subject: string;
  clock: Clock;
  /** Tokens kept, one per key and origin; each takes about half a kilobyte. */
  maxTokens?: number;
}

/** RFC 8292 section 2 allows 24 hours; half of it leaves room for a clock that is wrong. */
const LIFETIME_SECS = 12 * 3_600;

/** A token is made anew when less than this is left of it. */
const MARGIN_SECS = 10 * 60;

/** Signs a token once per key and origin: signing takes longer than all else but the encryption. */
export function createVapidAuthorizer(options: VapidAuthorizerOptions): VapidAuthorizer {
  const cache = new LRUCache<string, { value: string; exp: number }>({
    max: options.maxTokens ?? 10_000,
  });
  const names = new WeakMap<VapidKey, string>();
  const pointOf = (key: VapidKey): string => {
    let name = names.get(key);
    if (name === undefined) {
      name = key.publicPoint.toString('base64url');
      names.set(key, name);
    }
    return name;
  };
  return {
    authorize(key, origin) {
      const point = pointOf(key);
      const { subject } = options;
      const name = `${point} ${origin} ${subject}`;
      const now = Math.floor(options.clock.now() / 1_000);
      const known = cache.get(name);
      // More than a lifetime left means that the clock stepped back since: services would refuse it.
      const left = known === undefined ? 0 : known.exp - now;
      if (known !== undefined && left >= MARGIN_SECS && left <= LIFETIME_SECS) return known.value;
      const exp = now + LIFETIME_SECS;
      const claims: VapidClaims = { aud: origin, exp };
      if (subject !== '') claims.sub = subject;
      const value = `vapid t=${signVapidToken(key, claims)}, k=${point}`;
      cache.set(name, { value, exp });
      return value;
    },
    forget(key, origin) {
      cache.delete(`${pointOf(key)} ${origin} ${options.subject}`);
    },
  };
}
