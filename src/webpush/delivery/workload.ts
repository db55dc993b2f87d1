import type { Timers } from './agenda.ts';

/**
 * Beginning a push takes this thread some 0.1 ms. After so many, the sockets of Dovecot and of push
 * services get their turn: a backlog must not keep a mail waiting.
 */
const BEGUN_PER_TURN = 8;

export interface WorkloadOptions {
  /** How much may be under way at a time; and as much besides that is overdue. */
  limit: number;
  timers: Timers;
  /** Takes what is to be done next; undefined when there is nothing at the moment. */
  take: () => Work | undefined;
}

/** @param overdue to be called when it takes longer than it should: nothing else waits for it any more */
export type Work = (overdue: () => void) => Promise<void>;

/** Keeps as much under way as there is to do, up to a limit. */
export class Workload {
  readonly #options: WorkloadOptions;
  #underWay = 0;
  #overdue = 0;
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
      this.#start(work);
    }
  }

  #start(work: Work): void {
    let isOverdue = false;
    const overdue = (): void => {
      if (isOverdue || this.#overdue >= this.#options.limit) return;
      isOverdue = true;
      this.#underWay -= 1;
      this.#overdue += 1;
      this.fill();
    };
    this.#underWay += 1;
    void work(overdue).finally(() => {
      if (isOverdue) this.#overdue -= 1;
      else this.#underWay -= 1;
      if (this.#isQuiet) this.#onQuiet?.();
      this.fill();
    });
  }

  /** Resolves when nothing is under way, or after `deadlineMsecs`. */
  quiet(deadlineMsecs: number): Promise<void> {
    const { timers } = this.#options;
    if (this.#isQuiet) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = timers.set(resolve, deadlineMsecs);
      this.#onQuiet = () => {
        timers.clear(timer);
        resolve();
      };
    });
  }

  get #isQuiet(): boolean {
    return this.#underWay + this.#overdue === 0;
  }
}
