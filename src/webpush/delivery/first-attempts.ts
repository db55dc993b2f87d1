import type { Timers } from './agenda.ts';
import type { FirstAttemptReport } from './delivery.ts';

/** Those who wait to hear how the first attempt at a push ends. */
export class FirstAttempts {
  readonly #timers: Timers;
  readonly #waiting = new Map<number, (report: FirstAttemptReport) => void>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  has(id: number): boolean {
    return this.#waiting.has(id);
  }

  /** Resolves with the report, or with `late` after `timeoutMsecs`. */
  wait(id: number, timeoutMsecs: number): Promise<FirstAttemptReport> {
    return new Promise((resolve) => {
      const late = (): void => this.report(id, { verdict: 'deferred', reason: 'late' });
      const timer = this.#timers.set(late, timeoutMsecs);
      this.#waiting.set(id, (report) => {
        this.#timers.clear(timer);
        this.#waiting.delete(id);
        resolve(report);
      });
    });
  }

  /** Nobody waits for most pushes, and for none twice. */
  report(id: number, report: FirstAttemptReport): void {
    this.#waiting.get(id)?.(report);
  }

  reportAll(report: FirstAttemptReport): void {
    for (const id of [...this.#waiting.keys()]) this.report(id, report);
  }
}
