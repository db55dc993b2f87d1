import { setTimeout as sleep } from 'node:timers/promises';
import type { Target } from './door.ts';

const INTERVAL_MSECS = 500;

/**
 * The longest time for which the service's event loop stood still, as it measures it itself: the gauge
 * starts anew whenever somebody reads it.
 */
export class Pulse {
  longestStallMsecs = 0;
  readonly #url: string;

  constructor({ http: { host, port } }: Target) {
    this.#url = `http://${host}:${port}/metrics`;
  }

  async watch(running: () => boolean): Promise<void> {
    while (running()) {
      await sleep(INTERVAL_MSECS);
      await this.#read();
    }
    await this.#read();
  }

  async #read(): Promise<void> {
    try {
      const response = await fetch(this.#url, { signal: AbortSignal.timeout(35_000) });
      const [, seconds] =
        /^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(await response.text()) ?? [];
      this.longestStallMsecs = Math.max(this.longestStallMsecs, Number(seconds ?? 0) * 1_000);
    } catch {
      // A service that died, or that has no time for us: others see that.
    }
  }
}
