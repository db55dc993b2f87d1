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
