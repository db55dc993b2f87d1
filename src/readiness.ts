import { errorMessage } from './errors.ts';

/** One thing that must work for the service to do its job: a road to Dovecot, the disk, the store. */
export interface ReadinessCheck {
  name: string;
  /** Rejects with what is wrong and what to do. */
  check: () => Promise<void>;
  /** Something worth knowing that is no fault, if there is any. */
  remark?: () => string | undefined;
}

export interface ReadinessReport {
  ready: boolean;
  /** By name: `ok`, perhaps with a remark (`ok; …`), or what is wrong. */
  checks: Record<string, string>;
}

/** What `/readyz` calls the judgement of what happened. It is always ready: a restart would mend nothing. */
export const TRAFFIC_CHECK = 'traffic';

/** @param says of a check, in a {@link ReadinessReport} */
export const isReady = (says: string): boolean => /^ok(?:;|$)/.test(says);

/**
 * A check that takes longer counts as failed. Longer than the stores give themselves: they know what
 * they wait for, and say it.
 */
const CHECK_DEADLINE_MSECS = 6_000;

/** Runs all checks at the same time. */
export async function checkReadiness(checks: readonly ReadinessCheck[]): Promise<ReadinessReport> {
  const results = await Promise.all(
    checks.map(async (check) => [check.name, await outcome(check)] as const),
  );
  return {
    ready: results.every(([, { ok }]) => ok),
    checks: Object.fromEntries(results.map(([name, { says }]) => [name, says])),
  };
}

async function outcome({ check, remark }: ReadinessCheck): Promise<{ ok: boolean; says: string }> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), CHECK_DEADLINE_MSECS);
  });
  try {
    await Promise.race([check(), late]);
    const said = remark?.();
    return { ok: true, says: said === undefined ? 'ok' : `ok; ${said}` };
  } catch (error) {
    return { ok: false, says: errorMessage(error) };
  } finally {
    clearTimeout(timer);
  }
}
