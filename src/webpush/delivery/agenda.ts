/** `setTimeout` and `clearTimeout`; tests turn time by hand. */
export interface Timers {
  set(callback: () => void, msecs: number): unknown;
  clear(handle: unknown): void;
}

export const systemTimers: Timers = {
  set: (callback, msecs) => setTimeout(callback, msecs),
  clear: (handle) => clearTimeout(handle as NodeJS.Timeout),
};

interface Appointment {
  at: number;
  run: () => void;
}

/** Node's timers take no more than 24 days; nothing here needs to be looked at less often than this. */
const LONGEST_TIMER_MSECS = 3_600_000;

/** Calls back at monotonic times: any number of appointments, a heap of them, and one timer. */
export class Agenda {
  readonly #monotonic: () => number;
  readonly #timers: Timers;
  /** A binary heap: the earliest first. */
  readonly #heap: Appointment[] = [];
  #timer: { handle: unknown; at: number } | undefined;
  #closed = false;

  constructor(monotonic: () => number, timers: Timers) {
    this.#monotonic = monotonic;
    this.#timers = timers;
  }

  at(time: number, run: () => void): void {
    if (this.#closed) return;
    this.#insert({ at: time, run });
    this.#arm();
  }

  /** Forgets all appointments, and takes no more. */
  close(): void {
    this.#closed = true;
    this.#heap.length = 0;
    this.#disarm();
  }

  #arm(): void {
    const first = this.#heap[0];
    if (first === undefined || (this.#timer && this.#timer.at <= first.at)) return;
    this.#disarm();
    const wait = Math.ceil(Math.max(0, first.at - this.#monotonic()));
    const handle = this.#timers.set(() => this.#ring(), Math.min(wait, LONGEST_TIMER_MSECS));
    this.#timer = { handle, at: first.at };
  }

  #disarm(): void {
    if (this.#timer) this.#timers.clear(this.#timer.handle);
    this.#timer = undefined;
  }

  #ring(): void {
    this.#timer = undefined;
    const now = this.#monotonic();
    for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
      this.#removeFirst();
      first.run();
    }
    this.#arm();
  }

  #insert(appointment: Appointment): void {
    const heap = this.#heap;
    let index = heap.push(appointment) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#time(parent) <= appointment.at) break;
      this.#swap(index, parent);
      index = parent;
    }
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    for (let index = 0; ;) {
      const left = 2 * index + 1;
      const least = this.#time(left + 1) < this.#time(left) ? left + 1 : left;
      if (this.#time(least) >= last.at) return;
      this.#swap(index, least);
      index = least;
    }
  }

  #time(index: number): number {
    return this.#heap[index]?.at ?? Infinity;
  }

  #swap(one: number, other: number): void {
    const [a, b] = [this.#heap[one], this.#heap[other]];
    if (a && b) [this.#heap[one], this.#heap[other]] = [b, a];
  }
}
