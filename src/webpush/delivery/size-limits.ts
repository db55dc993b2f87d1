import { LRUCache } from 'lru-cache';

/** A service may come to take more; it is asked again after a day. */
const REMEMBER_MSECS = 86_400_000;

/**
 * The smallest body that each endpoint refused as too large (413). Firefox on Android takes less than the
 * standard's 4 kB: without a memory, every long push would go there twice.
 */
export class SizeLimits {
  readonly #refused: LRUCache<string, number>;

  /** @param monotonic milliseconds */
  constructor(monotonic: () => number, max = 10_000) {
    this.#refused = new LRUCache({
      max,
      ttl: REMEMBER_MSECS,
      ttlResolution: 0,
      perf: { now: monotonic },
    });
  }

  /** Octets; Infinity when nothing was refused. */
  refusedBy(endpoint: string): number {
    return this.#refused.get(endpoint) ?? Infinity;
  }

  learn(endpoint: string, refusedOctets: number): void {
    this.#refused.set(endpoint, Math.min(refusedOctets, this.refusedBy(endpoint)));
  }
}
