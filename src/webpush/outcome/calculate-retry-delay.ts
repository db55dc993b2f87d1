/** The quick tries that `webpush.max_retries` grants: soon enough for a push to be still fresh. */
const QUICK_DELAY_MSECS = 200;
/** The first of the growing delays; each is twice the one before. */
const FIRST_DELAY_MSECS = 5_000;
const MAX_DELAY_MSECS = 600_000;
/** With the spread. */
export const LONGEST_DELAY_MSECS = 1.5 * MAX_DELAY_MSECS;

/** The first of the gaps before a repeat; each is six times the one before. */
const FIRST_GAP_MSECS = 60_000;
const GAP_GROWTH = 6;
/** Of what lives for weeks. */
const MAX_GAP_MSECS = 2 * 86_400_000;

/**
 * How long to wait before a push that the push service has, perhaps, goes out again, in milliseconds:
 * five times within a day, the first time included. Spread by half.
 *
 * @param unanswered how often it went out without an answer; at least one
 * @param random from zero to below one
 */
export const calculateRepeatDelay = (unanswered: number, random: number): number =>
  Math.round(gapAfter(unanswered) * (0.5 + random));

/** With the spread. */
export const longestRepeatDelay = (unanswered: number): number => 1.5 * gapAfter(unanswered);

const gapAfter = (unanswered: number): number =>
  Math.min(FIRST_GAP_MSECS * GAP_GROWTH ** Math.min(unanswered - 1, 10), MAX_GAP_MSECS);

/**
 * How long to wait before the next attempt, in milliseconds: quick at first, then growing; all of it
 * spread by half, so that what failed together does not come back together.
 *
 * @param failures failed attempts so far, the last included; at least one
 * @param maxRetries how many of them are followed by a quick try
 * @param random from zero to below one
 */
export function calculateRetryDelay(failures: number, maxRetries: number, random: number): number {
  const grown = FIRST_DELAY_MSECS * 2 ** Math.min(failures - maxRetries - 1, 30);
  const delay = failures <= maxRetries ? QUICK_DELAY_MSECS : Math.min(grown, MAX_DELAY_MSECS);
  return Math.round(delay * (0.5 + random));
}
