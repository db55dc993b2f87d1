import { calculateRetryDelay } from '../outcome/calculate-retry-delay.ts';

/**
 * - `open`: pushes go out
 * - `held`: the service asked for a pause (Retry-After)
 * - `failing`: the service answered nothing of use several times in a row, and is left alone for a while
 */
export type OriginState = 'open' | 'held' | 'failing';

/** Failures in a row, of whatever pushes, after which a service counts as down. */
const FAILURES_UNTIL_PAUSE = 5;

/** "Retry-After: 0" must not make us knock as fast as we can. */
const SHORTEST_PAUSE_MSECS = 1_000;

/** How many pushes a service gets at a time before it answered for the first time. */
const UNPROVEN_LIMIT = 4;

/**
 * How much may go to one push service at a time, judged by how it behaves: a circuit breaker. After a
 * pause a single push goes ahead, and the others follow if it got through.
 *
 * Times are monotonic milliseconds.
 */
export class OriginGate {
  readonly #limit: number;
  readonly #random: () => number;
  #state: OriginState = 'open';
  #pausedUntil = 0;
  #proven = false;
  #failuresInARow = 0;
  #pausesInARow = 0;

  constructor(limit: number, random: () => number) {
    this.#limit = limit;
    this.#random = random;
  }

  /** `open` again only once a push got through after the pause. */
  get state(): OriginState {
    return this.#state;
  }

  /** When the pause ends or ended. */
  get pausedUntil(): number {
    return this.#pausedUntil;
  }

  /** How many pushes may be under way at `now`. */
  capacity(now: number): number {
    if (this.#state !== 'open') return now >= this.#pausedUntil ? 1 : 0;
    return this.#proven ? this.#limit : Math.min(this.#limit, UNPROVEN_LIMIT);
  }

  /** The service answered sensibly, be it with a refusal of the one push. */
  answered(now: number): void {
    // Answers to what was under way when the service asked for a pause do not end the pause.
    if (this.#state === 'held' && now < this.#pausedUntil) return;
    this.#state = 'open';
    this.#proven = true;
    this.#failuresInARow = 0;
    this.#pausesInARow = 0;
  }

  /** No answer, or an error of the service's own. */
  failed(now: number): void {
    this.#failuresInARow += 1;
    const probed = this.#state !== 'open' && now >= this.#pausedUntil;
    if (!probed && (this.#state !== 'open' || this.#failuresInARow < FAILURES_UNTIL_PAUSE)) return;
    this.#pause('failing', now, this.#nextPause());
  }

  /** @param holdMsecs what Retry-After asked for, when there was one */
  throttled(now: number, holdMsecs: number | undefined): void {
    if (this.#state === 'held' && now < this.#pausedUntil) {
      // Another push that was under way too: the longer pause counts.
      this.#pausedUntil = Math.max(this.#pausedUntil, now + (holdMsecs ?? 0));
      return;
    }
    this.#pause('held', now, Math.max(SHORTEST_PAUSE_MSECS, holdMsecs ?? this.#nextPause()));
  }

  #pause(state: OriginState, now: number, msecs: number): void {
    this.#state = state;
    this.#pausedUntil = now + msecs;
    this.#pausesInARow += 1;
  }

  #nextPause(): number {
    return calculateRetryDelay(this.#pausesInARow + 1, 0, this.#random());
  }
}
