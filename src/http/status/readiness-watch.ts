import type { Clock } from '../../clock.ts';
import { createSnapshot } from '../snapshot.ts';
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
  const look = createSnapshot(
    async () => {
      latest = await checkReadiness(checks);
    },
    FRESH_MSECS,
    () => clock.monotonic(),
  );

  return async () => {
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MSECS);
    });
    await Promise.race([look(), enough]);
    clearTimeout(timer);
    return latest;
  };
}
