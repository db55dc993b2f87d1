import { errorMessage } from './errors.ts';

/** One thing that must work for the service to do its job: a road to Dovecot, the disk, the store. */
export interface ReadinessCheck {
  name: string;
  /** Rejects with what is wrong and what to do. */
  check: () => Promise<void>;
}

export interface ReadinessReport {
  ready: boolean;
  /** `ok`, or what is wrong, by name. */
  checks: Record<string, string>;
}

/** A check that takes longer counts as failed; probes come every few seconds. */
const CHECK_DEADLINE_MSECS = 3_000;

/** Runs all checks at the same time. */
export async function checkReadiness(checks: readonly ReadinessCheck[]): Promise<ReadinessReport> {
  const results = await Promise.all(
    checks.map(async ({ name, check }) => [name, await outcome(check)] as const),
  );
  return {
    ready: results.every(([, result]) => result === 'ok'),
    checks: Object.fromEntries(results),
  };
}

async function outcome(check: () => Promise<void>): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('no answer in time'), CHECK_DEADLINE_MSECS);
  });
  try {
    return await Promise.race([check().then(() => 'ok'), late]);
  } catch (error) {
    return errorMessage(error);
  } finally {
    clearTimeout(timer);
  }
}
