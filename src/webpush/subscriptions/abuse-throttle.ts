import type { Clock } from '../../clock.ts';

export interface AbuseThrottleOptions {
  clock: Clock;
  /** How many refusals a user is granted before pauses begin (`abuse.refusals`). */
  refusals: number;
  /** Milliseconds of the first pause; each further refusal doubles it (`abuse.pause`). */
  pauseMsecs: number;
  /** Milliseconds of the longest pause: the lockout (`abuse.lockout`). */
  lockoutMsecs: number;
  /** Milliseconds without a refusal, after the last pause, that clear a user; `lockoutMsecs` unless given. */
  forgetMsecs?: number;
  /** Milliseconds for which a NO is held back at most; {@link MAX_HOLD_MSECS} unless given. */
  holdMsecs?: number;
  /** How many users are remembered; 10,000 unless given. Past it, the one refused longest ago is forgotten. */
  maxUsers?: number;
}

/** Dovecot logs a warning when its dict takes five seconds to answer. */
export const MAX_HOLD_MSECS = 4_000;

export type Admission =
  /** Take a subscription, but only after `holdMsecs` (mostly zero). */
  | { admitted: true; holdMsecs: number }
  /** Answer a subscription with NO without looking at it, after `holdMsecs`. */
  | { admitted: false; holdMsecs: number; state: ThrottleState; until: number };

/** `paused` for a growing time, `locked` for the longest. */
export type ThrottleState = 'paused' | 'locked';

export interface ThrottledUser {
  user: string;
  refusals: number;
  state: ThrottleState;
  /** Milliseconds since the epoch. */
  until: number;
}

interface Offender {
  refusals: number;
  /** Monotonic milliseconds, both. */
  pausedUntil: number;
  forgottenAt: number;
}

/**
 * Slows down users whose requests are refused again and again, or whose subscriptions are never
 * validated (webpush-spec, "Security Considerations").
 *
 * New subscriptions need admission, for each costs a push; all else does not: removing, settings, and
 * the validation of a subscription that was taken, to which the specification demands OK.
 *
 * Each NO, whatever it is about, is an error line in Dovecot's log, and a refusal at once would only
 * invite the next one. So the answer itself is held back, for less time than Dovecot would warn about:
 * a connection gets in fifteen NOs a minute instead of thousands.
 *
 * Kept in memory only: a restart is the admin's doing and forgives everybody, whereas a store would
 * hand the abuser a disk write for each refusal.
 */
export class AbuseThrottle {
  readonly #options: AbuseThrottleOptions;
  /** In the order of their last refusal. */
  readonly #offenders = new Map<string, Offender>();

  constructor(options: AbuseThrottleOptions) {
    this.#options = options;
  }

  /** Whether a subscription of `user` is to be looked at; asking costs nothing and counts for nothing. */
  admit(user: string): Admission {
    const offender = this.#find(user);
    const remaining = offender ? offender.pausedUntil - this.#options.clock.monotonic() : 0;
    if (offender === undefined || remaining <= 0) return { admitted: true, holdMsecs: 0 };
    const longestHold = this.#options.holdMsecs ?? MAX_HOLD_MSECS;
    if (remaining <= longestHold) return { admitted: true, holdMsecs: remaining };
    return { admitted: false, holdMsecs: longestHold, ...this.#describe(offender, remaining) };
  }

  /** Counts a refused request, or a subscription that was not validated. */
  refused(user: string): void {
    const { clock, lockoutMsecs, forgetMsecs = lockoutMsecs, maxUsers = 10_000 } = this.#options;
    const refusals = (this.#find(user)?.refusals ?? 0) + 1;
    const pausedUntil = clock.monotonic() + this.#pauseAfter(refusals);
    this.#offenders.delete(user);
    this.#offenders.set(user, { refusals, pausedUntil, forgottenAt: pausedUntil + forgetMsecs });
    for (const longestAgo of this.#offenders.keys()) {
      if (this.#offenders.size <= maxUsers) break;
      this.#offenders.delete(longestAgo);
    }
  }

  /**
   * Takes one refusal off, for a subscription that was validated. Not all of them: one good
   * subscription in between would then pay for any number of bad ones.
   */
  forgive(user: string): void {
    const offender = this.#find(user);
    if (offender === undefined) return;
    if (offender.refusals <= 1) this.#offenders.delete(user);
    else offender.refusals -= 1;
  }

  /** Clears a user at once. @returns whether there was anything to clear */
  lift(user: string): boolean {
    const known = this.#find(user) !== undefined;
    this.#offenders.delete(user);
    return known;
  }

  /** Everyone whose subscriptions are refused right now. */
  snapshot(): ThrottledUser[] {
    const now = this.#options.clock.monotonic();
    return [...this.#offenders].flatMap(([user, offender]) => {
      const remaining = offender.pausedUntil - now;
      if (remaining <= 0) return [];
      return { user, refusals: offender.refusals, ...this.#describe(offender, remaining) };
    });
  }

  #find(user: string): Offender | undefined {
    const offender = this.#offenders.get(user);
    if (offender === undefined || this.#options.clock.monotonic() < offender.forgottenAt) {
      return offender;
    }
    this.#offenders.delete(user);
    return undefined;
  }

  #pauseAfter(refusals: number): number {
    const { refusals: granted, pauseMsecs, lockoutMsecs } = this.#options;
    if (refusals <= granted || pauseMsecs === 0) return 0;
    return Math.min(pauseMsecs * 2 ** (refusals - granted - 1), lockoutMsecs);
  }

  #describe(offender: Offender, remaining: number): { state: ThrottleState; until: number } {
    return {
      state: this.#pauseAfter(offender.refusals) < this.#options.lockoutMsecs ? 'paused' : 'locked',
      until: this.#options.clock.now() + remaining,
    };
  }
}
