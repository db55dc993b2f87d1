import type { Clock } from '../../clock.ts';
import { checkReadiness, type ReadinessCheck, type ReadinessReport } from '../../readiness.ts';

/** The last report there is; a page must not wait for a Dovecot that hangs. */
export type LatestReadiness = () => Promise<ReadinessReport | undefined>;

/** Each look writes to disk and asks Dovecot; those who watch together share one. */
const FRESH_MSECS = 4_000;
/** How long to wait for a look under way; enough where everything works. */
const PATIENCE_MSECS = 500;

export function createReadinessWatch(
  checks: readonly ReadinessCheck[],
  clock: Clock,
): LatestReadiness {
  let latest: ReadinessReport | undefined;
  let at = -Infinity;
  let looking: Promise<unknown> | undefined;

  async function look(): Promise<void> {
    latest = await checkReadiness(checks);
    at = clock.monotonic();
  }

  return async () => {
    if (clock.monotonic() - at <= FRESH_MSECS) return latest;
    looking ??= look().finally(() => {
      looking = undefined;
    });
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MSECS);
    });
    await Promise.race([looking, enough]);
    clearTimeout(timer);
    return latest;
  };
}
