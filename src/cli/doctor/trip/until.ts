import { setTimeout as sleep } from 'node:timers/promises';

const PAUSE_MSECS = 100;

/**
 * Asks again and again until there is an answer.
 *
 * @returns undefined when there was none within `msecs`
 */
export async function until<T>(
  msecs: number,
  attempt: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const end = performance.now() + msecs;
  for (;;) {
    const answer = await attempt();
    if (answer !== undefined || performance.now() >= end) return answer;
    await sleep(PAUSE_MSECS);
  }
}
