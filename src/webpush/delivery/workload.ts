import type { Timers } from './agenda.ts';

/** Counts what is under way, up to a limit, and tells when nothing is. */
export class Workload {
  readonly #limit: number;
  readonly #timers: Timers;
  #underWay = 0;
  #onQuiet: (() => void) | undefined;

  constructor(limit: number, timers: Timers) {
    this.#limit = limit;
    this.#timers = timers;
  }

  get underWay(): number {
    return this.#underWay;
  }

  get isFull(): boolean {
    return this.#underWay >= this.#limit;
  }

  begin(): void {
    this.#underWay += 1;
  }

  end(): void {
    this.#underWay -= 1;
    if (this.#underWay === 0) this.#onQuiet?.();
  }

  /** Resolves when nothing is under way, or after `deadlineMsecs`. */
  quiet(deadlineMsecs: number): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#timers.set(resolve, deadlineMsecs);
      this.#onQuiet = () => {
        this.#timers.clear(timer);
        resolve();
      };
    });
  }
}
