/**
 * Shares one answer among all who ask: within `freshMsecs` they get the last one, and whoever asks while the
 * next is made waits for that. However many ask, the work is done once at a time, and at most that often.
 */
export function createSnapshot<T>(
  work: () => Promise<T>,
  freshMsecs: number,
  monotonic: () => number,
): () => Promise<T> {
  let latest: Promise<T> | undefined;
  /** When it was begun; while it is under way, it is as fresh as any could be. */
  let begun = -Infinity;
  let working = false;
  return () => {
    if (latest !== undefined && (working || monotonic() - begun <= freshMsecs)) return latest;
    begun = monotonic();
    working = true;
    latest = work().finally(() => {
      working = false;
    });
    return latest;
  };
}
