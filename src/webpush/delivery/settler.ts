import type { Logger } from '../../logging.ts';
import { errorMessage } from '../../errors.ts';
import type { OutboxStore } from '../../stores/outbox-store.ts';
import type { Timers } from './agenda.ts';

const FIRST_PAUSE_MSECS = 500;
const LONGEST_PAUSE_MSECS = 30_000;

/**
 * Takes settled pushes out of the store, as many at a time as came together while it was busy: a push on
 * its own is settled at once, many at a time share a commit. What the store does not take now it is
 * given again later; the pushes are not sent again meanwhile.
 */
export class Settler {
  readonly #store: OutboxStore;
  readonly #log: Logger;
  readonly #timers: Timers;
  #waiting: number[] = [];
  #busy = false;
  #working: Promise<void> = Promise.resolve();
  #failures = 0;
  #retry: unknown;

  constructor(store: OutboxStore, log: Logger, timers: Timers) {
    this.#store = store;
    this.#log = log;
    this.#timers = timers;
  }

  settle(id: number): void {
    this.#waiting.push(id);
    if (this.#retry === undefined) this.#work();
  }

  /** Settled pushes that the store still has. */
  get backlog(): number {
    return this.#waiting.length;
  }

  /** Tries once more and stops: what is left then is sent again after the next start. */
  async close(): Promise<void> {
    this.#timers.clear(this.#retry);
    this.#retry = undefined;
    this.#work();
    await this.#working;
    this.#timers.clear(this.#retry);
  }

  #work(): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#working = this.#drain();
  }

  /** Is not busy any more in the same moment in which it finds nothing to do, so that nothing is missed. */
  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const ids = this.#waiting;
      this.#waiting = [];
      try {
        await this.#store.settle(ids);
        this.#failures = 0;
      } catch (error) {
        this.#waiting = ids.concat(this.#waiting);
        this.#tryLater(error);
        break;
      }
    }
    this.#busy = false;
  }

  #tryLater(error: unknown): void {
    const pause = Math.min(FIRST_PAUSE_MSECS * 2 ** this.#failures, LONGEST_PAUSE_MSECS);
    this.#failures += 1;
    this.#log.error(
      { error: errorMessage(error), pushes: this.#waiting.length },
      'settled pushes cannot be taken out of the outbox; if this process ends now they are sent again',
    );
    this.#retry = this.#timers.set(() => {
      this.#retry = undefined;
      this.#work();
    }, pause);
  }
}
