/**
 * - `open`: pushes go out
 * - `failing`: pushes of several users failed and none got through for a while; probes go out, one a second
 */
export type OriginState = 'open' | 'failing';

/**
 * So many users' pushes must have failed in a row, and over such a time. A push resource is what its user
 * made it: what it answers says something about a whole push service only when others say the same.
 */
export const USERS_UNTIL_FAILING = 5;
export const SILENCE_UNTIL_FAILING_MSECS = 10_000;

/** Between two probes, when pushes are due. */
export const PROBE_MSECS = 1_000;

/** When none is due, one that waits for its own time is tried early: this long after the last probe. */
export const EARLY_PROBE_MSECS = 10_000;

/** How many pushes a service gets at a time before it answered for the first time. */
const UNPROVEN_LIMIT = 4;

/** One user's may be a quarter of them, and one at least: hanging, they would hold up everybody. */
const USER_PART = 4;

/** Remembered of a service. */
const MAX_SUSPECTS = 10_000;

/**
 * How much may go to one push service, judged by how it behaves. It is slowed down, never stopped: the
 * next push that gets through ends that.
 *
 * Users whose last push failed, or waits long for its answer, are suspects: others go before them, and
 * all of them together have half of what may be under way.
 *
 * Times are monotonic milliseconds.
 */
export class OriginGate {
  readonly #limit: number;
  readonly #suspects = new Set<string>();
  /** Those whose pushes failed since one got through; not counted further than need be. */
  readonly #failedInARow = new Set<string>();
  #silentSince = 0;
  #failing = false;
  #proven = false;
  #lastStart = -Infinity;
  #reopened = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get state(): OriginState {
    return this.#failing ? 'failing' : 'open';
  }

  /** How many pushes may be under way. */
  get capacity(): number {
    return this.#proven || this.#failing ? this.#limit : Math.min(this.#limit, UNPROVEN_LIMIT);
  }

  /** How many of one user's. */
  get userShare(): number {
    return Math.max(1, Math.floor(this.capacity / USER_PART));
  }

  /** How many of all suspects'. */
  get suspectsShare(): number {
    return Math.max(1, Math.floor(this.capacity / 2));
  }

  /** An answer to a push of this user is late. */
  suspect(user: string): void {
    if (this.#suspects.size < MAX_SUSPECTS) this.#suspects.add(user);
  }

  isSuspect(user: string): boolean {
    return this.#suspects.has(user);
  }

  /** When the next push may begin. */
  get nextAt(): number {
    return this.#failing ? this.#lastStart + PROBE_MSECS : -Infinity;
  }

  /** When one may begin that is not due yet. */
  get earlyAt(): number {
    return this.#failing ? this.#lastStart + EARLY_PROBE_MSECS : Infinity;
  }

  started(now: number): void {
    this.#lastStart = now;
  }

  /** The service answered sensibly to a push of this user, be it with a refusal of the one push. */
  answered(user: string): void {
    this.#suspects.delete(user);
    this.#failedInARow.clear();
    this.#reopened ||= this.#failing;
    this.#failing = false;
    this.#proven = true;
  }

  /** No answer to a push of this user, an error of the service's own, or "too many requests". */
  failed(user: string, now: number): void {
    this.suspect(user);
    if (this.#failedInARow.size === 0) this.#silentSince = now;
    if (this.#failedInARow.size < USERS_UNTIL_FAILING) this.#failedInARow.add(user);
    this.#failing ||=
      this.#failedInARow.size === USERS_UNTIL_FAILING &&
      now - this.#silentSince >= SILENCE_UNTIL_FAILING_MSECS;
  }

  /** Whether it began to take pushes again since this was last asked. */
  takeReopened(): boolean {
    const reopened = this.#reopened;
    this.#reopened = false;
    return reopened;
  }
}
