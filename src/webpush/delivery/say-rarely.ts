import { LRUCache } from 'lru-cache';

/** Lets the same thing be said once in `intervalMsecs`, so that a fault does not fill the log. */
export function createSayRarely(
  intervalMsecs: number,
  monotonic: () => number,
): (about: string, say: () => void) => void {
  const said = new LRUCache<string, true>({
    max: 1_000,
    ttl: intervalMsecs,
    ttlResolution: 0,
    perf: { now: monotonic },
  });
  return (about, say) => {
    if (said.has(about)) return;
    said.set(about, true);
    say();
  };
}
