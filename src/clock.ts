import { setTimeout } from 'node:timers/promises';

/** Where time decides something, it is a parameter: tests turn the clock by hand. */
export interface Clock {
  /** Milliseconds since the epoch, as `Date.now()`: for dates that are stored or shown. */
  now(): number;
  /** Milliseconds that never step back: for measuring how long something took. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

/** Resolves after so many milliseconds; a parameter as well. */
export type Sleep = (msecs: number) => Promise<unknown>;

export const systemSleep: Sleep = (msecs) => setTimeout(msecs);
