import type { Logger } from '../../logging.ts';
import { errorMessage } from '../../errors.ts';
import type { OutboxStore } from '../../stores/outbox-store.ts';
import type { Timers } from './agenda.ts';

const FIRST_PAUSE_MSECS = 500;
const LONGEST_PAUSE_MSECS = 30_000;

/**
 * How many calls of the store may be under way. More than one: after a kill, whatever waits here for an
 * answer about others is sent twice.
 */
const MOST_CALLS = 4;

/**
 * Takes settled pushes out of the store, each at once; while it is busy, as many at a time as have come
 * together. What the store does not take now it is given again later; the pushes are not sent again
 * meanwhile.
 */
export class Settler {
  readonly #store: OutboxStore;
  readonly #log: Logger;
  readonly #timers: Timers;
  #waiting: number[] = [];
  /** Those that wait, and those that the store is being told of. */
  readonly #ids = new Set<number>();
  readonly #calls = new Set<Promise<void>>();
  #failures = 0;
  #retry: unknown;

  constructor(store: OutboxStore, log: Logger, timers: Timers) {
    this.#store = store;
    this.#log = log;
    this.#timers = timers;
  }

  settle(id: number): void {
    this.#ids.add(id);
    this.#waiting.push(id);
    if (this.#retry === undefined) this.#work();
  }

  /** Whether the push is settled and the store may still have it. */
  has(id: number): boolean {
    return this.#ids.has(id);
  }

  /** Settled pushes that the store has not been told of, or has refused. */
  get backlog(): number {
    return this.#waiting.length;
  }

  /** Tries once more and stops: what is left then is sent again after the next start. */
  async close(): Promise<void> {
    this.#timers.clear(this.#retry);
    this.#retry = undefined;
    this.#work();
    while (this.#calls.size > 0) await Promise.all(this.#calls);
    this.#timers.clear(this.#retry);
  }

  #work(): void {
    if (this.#waiting.length === 0 || this.#calls.size >= MOST_CALLS) return;
    const ids = this.#waiting;
    this.#waiting = [];
    const call = this.#tell(ids).then(() => {
      this.#calls.delete(call);
      if (this.#retry === undefined) this.#work();
    });
    this.#calls.add(call);
  }

  async #tell(ids: number[]): Promise<void> {
    try {
      await this.#store.settle(ids);
      for (const id of ids) this.#ids.delete(id);
      this.#failures = 0;
    } catch (error) {
      this.#waiting = ids.concat(this.#waiting);
      if (this.#retry === undefined) this.#tryLater(error);
    }
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
