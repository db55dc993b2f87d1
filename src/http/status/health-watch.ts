import type { Clock } from '../../clock.ts';
import { createSnapshot } from '../snapshot.ts';
import { judgeHealth, type HealthFacts, type Problem } from './judge-health.ts';

/** Counting is cheap, but anybody may ask. */
const FRESH_MSECS = 1_000;

/** What is wrong now, for all who ask: the status page, `/readyz` and Prometheus. */
export class HealthWatch {
  readonly #look: () => Promise<readonly Problem[]>;
  #latest: readonly Problem[] = [];

  constructor(facts: () => Promise<HealthFacts>, clock: Clock) {
    this.#look = createSnapshot(
      async () => (this.#latest = judgeHealth(await facts())),
      FRESH_MSECS,
      () => clock.monotonic(),
    );
  }

  look(): Promise<readonly Problem[]> {
    return this.#look();
  }

  /** What was found last, in words; undefined where nothing is wrong. */
  remark(): string | undefined {
    if (this.#latest.length === 0) return undefined;
    return this.#latest.map(({ place, says }) => `${place}: ${says}`).join('; ');
  }
}
