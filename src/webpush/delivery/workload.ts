import type { Timers } from './agenda.ts';

/**
 * Beginning a push takes this thread some 0.1 ms. After so many, the sockets of Dovecot and of push
 * services get their turn: a backlog must not keep a mail waiting.
 */
const BEGUN_PER_TURN = 8;

export interface WorkloadOptions {
  /** How much may be under way at a time. */
  limit: number;
  timers: Timers;
  /** Takes what is to be done next; undefined when there is nothing at the moment. */
  take: () => (() => Promise<void>) | undefined;
}

/** Keeps as much under way as there is to do, up to a limit. */
export class Workload {
  readonly #options: WorkloadOptions;
  #underWay = 0;
  #planned = false;
  #onQuiet: (() => void) | undefined;

  constructor(options: WorkloadOptions) {
    this.#options = options;
  }

  /** As {@link fill}, in the next turn of the event loop: what this turn has to answer goes first. */
  fillSoon(): void {
    if (this.#planned) return;
    this.#planned = true;
    setImmediate(() => {
      this.#planned = false;
      this.fill();
    });
  }

  /** To be called whenever there may be something to do; what ends calls it by itself. */
  fill(): void {
    for (let begun = 0; this.#underWay < this.#options.limit; begun += 1) {
      if (begun === BEGUN_PER_TURN) {
        this.fillSoon();
        return;
      }
      const work = this.#options.take();
      if (work === undefined) return;
      this.#underWay += 1;
      void work().finally(() => this.#end());
    }
  }

  /** Resolves when nothing is under way, or after `deadlineMsecs`. */
  quiet(deadlineMsecs: number): Promise<void> {
    const { timers } = this.#options;
    if (this.#underWay === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = timers.set(resolve, deadlineMsecs);
      this.#onQuiet = () => {
        timers.clear(timer);
        resolve();
      };
    });
  }

  #end(): void {
    this.#underWay -= 1;
    if (this.#underWay === 0) this.#onQuiet?.();
    this.fill();
  }
}
