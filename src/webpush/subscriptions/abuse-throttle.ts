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
  /** Clears what else is held against a user; resolves to whether there was anything. */
  onLift?: (user: string) => boolean;
}

/** Of one user; the refusals of others are not taken off by a validation. */
const MAX_DEVICES = 100;

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
  /** Those that a validation of the same device takes off, by device. */
  byDevice: Map<string, number>;
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
 * Kept in memory only: a store would hand the abuser a disk write for each refusal. What a restart must
 * not forgive, pushes to those who never asked for them, the {@link AttemptBudget} counts.
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

  /**
   * Counts a refused request, or a subscription that was not validated.
   *
   * @param device the subscription's endpoint
   */
  refused(user: string, device?: string): void {
    const { clock, lockoutMsecs, forgetMsecs = lockoutMsecs, maxUsers = 10_000 } = this.#options;
    const before = this.#find(user);
    const refusals = (before?.refusals ?? 0) + 1;
    const byDevice = before?.byDevice ?? new Map<string, number>();
    const count = device === undefined ? undefined : byDevice.get(device);
    if (device !== undefined && (count !== undefined || byDevice.size < MAX_DEVICES)) {
      byDevice.set(device, (count ?? 0) + 1);
    }
    const pausedUntil = clock.monotonic() + this.#pauseAfter(refusals);
    this.#offenders.delete(user);
    this.#offenders.set(user, {
      refusals,
      byDevice,
      pausedUntil,
      forgottenAt: pausedUntil + forgetMsecs,
    });
    for (const longestAgo of this.#offenders.keys()) {
      if (this.#offenders.size <= maxUsers) break;
      this.#offenders.delete(longestAgo);
    }
  }

  /**
   * Takes off what was held against a device whose subscription was validated, and nothing else: a
   * good subscription would otherwise pay for a bad one, again and again.
   */
  validated(user: string, device: string): void {
    const offender = this.#find(user);
    const count = offender?.byDevice.get(device) ?? 0;
    offender?.byDevice.delete(device);
    this.#takeOff(user, count);
  }

  /** Takes one refusal off, for what an administrator did. */
  forgive(user: string): void {
    this.#takeOff(user, 1);
  }

  #takeOff(user: string, count: number): void {
    const offender = this.#find(user);
    if (offender === undefined) return;
    if (offender.refusals <= count) this.#offenders.delete(user);
    else offender.refusals -= count;
  }

  /** Clears a user at once. @returns whether there was anything to clear */
  lift(user: string): boolean {
    const known = this.#find(user) !== undefined;
    this.#offenders.delete(user);
    return (this.#options.onLift?.(user) ?? false) || known;
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
