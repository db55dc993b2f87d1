import type { PushAttempt } from './delivery.ts';

/** A push attempt that ended, and when, in milliseconds since the epoch. */
export interface RecentAttempt extends PushAttempt {
  at: number;
}

/** The last few push attempts; neither whose they were nor to which endpoint they went. */
export interface RecentAttempts {
  note(attempt: PushAttempt): void;
  /** The newest first. */
  list(): RecentAttempt[];
}

const KEPT = 12;

export function createRecentAttempts(now: () => number): RecentAttempts {
  const attempts: RecentAttempt[] = [];
  return {
    note: (attempt) => {
      attempts.push({ ...attempt, at: now() });
      if (attempts.length > KEPT) attempts.shift();
    },
    list: () => attempts.toReversed(),
  };
}
