import type { Clock } from '../../src/clock.ts';
import type { Timers } from '../../src/webpush/delivery/agenda.ts';

interface Timer {
  at: number;
  callback: () => void;
}

/** A clock and timers that are turned by hand. `now` may step; `monotonic` and the timers do not. */
export class ManualClock implements Clock, Timers {
  #monotonic = 1_000;
  #wall: number;
  readonly #timers = new Set<Timer>();

  constructor(now = Date.UTC(2026, 0, 15, 12)) {
    this.#wall = now;
  }

  now(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  /** Sets the wall clock forward or back, as NTP or an administrator does. */
  step(msecs: number): void {
    this.#wall += msecs;
  }

  set(callback: () => void, msecs: number): Timer {
    const timer = { at: this.#monotonic + msecs, callback };
    this.#timers.add(timer);
    return timer;
  }

  clear(timer: unknown): void {
    this.#timers.delete(timer as Timer);
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Lets time go by, running timers when they are due and everything that follows from each. */
  async advance(msecs: number): Promise<void> {
    const end = this.#monotonic + msecs;
    await settleMicrotasks();
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.#pass(next.at - this.#monotonic);
      this.#timers.delete(next);
      next.callback();
      await settleMicrotasks();
    }
    this.#pass(end - this.#monotonic);
  }

  #pass(msecs: number): void {
    if (msecs <= 0) return;
    this.#monotonic += msecs;
    this.#wall += msecs;
  }
}

/** Promises that depend on nothing outside the process are settled after a turn of the event loop or two. */
export async function settleMicrotasks(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
