import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import type { Change } from '../../stores/store.ts';
import { refusals } from './subscription-refused-error.ts';

/** Beside the user's subscriptions, so that one read finds both and one commit stores both. */
export const ATTEMPTS_KEY = 'webpush/subscription-attempts';

export const BUDGETS = ['user', 'host'] as const;
type Budget = (typeof BUDGETS)[number];

export interface AttemptBudgetOptions {
  clock: Clock;
  /** Unvalidated attempts that a user may have within the period (`abuse.attempts`). */
  perUser: number;
  /** Those of all users to one host (`abuse.host_attempts`). */
  perHost: number;
  /** Milliseconds (`abuse.period`). */
  periodMsecs: number;
  onExceeded?: (budget: Budget, user: string, host: string) => void;
}

/** A validation push to somebody who may never have asked for it. */
interface Attempt {
  /** Stands for the endpoint. */
  device: string;
  host: string;
  /** Monotonic milliseconds. */
  at: number;
}

/** What a transaction comes to: to be stored with it, and settled once it is. */
export interface BudgetedChange {
  changes: Change[];
  settle: () => void;
}

const MAX_USERS = 100_000;
const MAX_HOSTS = 10_000;
const VERSION = 1;

/**
 * Counts validation pushes that were not validated: each may have gone to a stranger. A validation takes
 * off the attempts at that endpoint and no others. Since a user's budget holds for all hosts together, it
 * holds for each; the budget of a host is for what many users do to it.
 *
 * The count is stored in the commit of the registration itself and so outlives a restart. While the
 * process runs its own memory is right, by a clock that does not step; a stored time that seems to lie
 * ahead counts as now. A host's count is put together again from those of its users as they are read, at
 * the start all of them; it lessens steadily.
 */
export class AttemptBudget {
  readonly #options: AttemptBudgetOptions;
  readonly #users = new LRUCache<string, readonly Attempt[]>({ max: MAX_USERS });
  readonly #hosts = new LRUCache<string, { level: number; at: number }>({ max: MAX_HOSTS });

  constructor(options: AttemptBudgetOptions) {
    this.#options = options;
  }

  /**
   * @param stored the value under {@link ATTEMPTS_KEY}
   * @param sentTo the endpoints that are to get a validation push
   * @param validated the endpoints that were validated
   * @throws SubscriptionRefusedError `attempts`
   */
  plan(
    user: string,
    stored: Buffer | undefined,
    sentTo: readonly string[],
    validated: readonly string[],
  ): BudgetedChange {
    const { clock, perUser, perHost, onExceeded } = this.#options;
    const before = this.#attemptsOf(user, stored);
    const forgiven = new Set(validated.map(deviceOf));
    const kept = before.filter(({ device }) => !forgiven.has(device));
    const at = clock.monotonic();
    const added = sentTo.map((endpoint) => ({
      ...{ device: deviceOf(endpoint), host: hostOf(endpoint), at },
    }));
    const after = [...kept, ...added];
    for (const { host } of added) {
      const overUser = after.length > perUser;
      if (!overUser && this.#level(host) + 1 <= perHost) continue;
      onExceeded?.(overUser ? 'user' : 'host', user, host);
      throw refusals.attempts();
    }
    const changed = added.length > 0 || kept.length < before.length;
    const lapsed = stored !== undefined && after.length === 0;
    if (!changed && !lapsed) return { changes: [], settle: () => undefined };
    return {
      changes: [
        after.length === 0
          ? { op: 'unset', key: ATTEMPTS_KEY }
          : { op: 'set', key: ATTEMPTS_KEY, value: this.#encode(after) },
      ],
      settle: () => {
        for (const { host } of added) this.#count(host, 1);
        for (const { device, host } of before) if (forgiven.has(device)) this.#count(host, -1);
        this.#users.set(user, after);
      },
    };
  }

  /** Takes a user's attempts off; the stored ones go with the user's next commit. @returns whether any were */
  lift(user: string): boolean {
    const known = this.#users.get(user) ?? [];
    this.#users.set(user, []);
    return this.#live(known).length > 0;
  }

  #attemptsOf(user: string, stored: Buffer | undefined): readonly Attempt[] {
    const known = this.#users.get(user);
    if (known !== undefined) return this.#live(known);
    if (stored === undefined) return [];
    const attempts = this.#live(this.#decode(stored));
    this.#users.set(user, attempts);
    const { clock, periodMsecs } = this.#options;
    for (const { host, at } of attempts) {
      this.#count(host, 1 - (clock.monotonic() - at) / periodMsecs);
    }
    return attempts;
  }

  #live(attempts: readonly Attempt[]): readonly Attempt[] {
    const since = this.#options.clock.monotonic() - this.#options.periodMsecs;
    return attempts.filter(({ at }) => at > since);
  }

  #level(host: string): number {
    const { clock, perHost, periodMsecs } = this.#options;
    const known = this.#hosts.get(host);
    if (known === undefined) return 0;
    const gone = ((clock.monotonic() - known.at) * perHost) / periodMsecs;
    return Math.max(0, known.level - gone);
  }

  #count(host: string, by: number): void {
    const level = Math.max(0, this.#level(host) + by);
    this.#hosts.set(host, { level, at: this.#options.clock.monotonic() });
  }

  #encode(attempts: readonly Attempt[]): Buffer {
    const { clock } = this.#options;
    const list = attempts.map(({ device, host, at }) => ({
      ...{ device, host, at: Math.round(clock.now() - clock.monotonic() + at) },
    }));
    return Buffer.from(JSON.stringify({ version: VERSION, attempts: list }));
  }

  /** Of what is damaged nothing is known: the user begins anew. */
  #decode(octets: Buffer): Attempt[] {
    const { clock, perUser } = this.#options;
    try {
      const stored = JSON.parse(octets.toString()) as {
        version?: number;
        attempts?: Record<keyof Attempt, unknown>[];
      };
      if (stored.version !== VERSION || !Array.isArray(stored.attempts)) return [];
      return stored.attempts.slice(-perUser).map(({ device, host, at }) => {
        const age = Math.max(0, clock.now() - Number(at));
        return { device: String(device), host: String(host), at: clock.monotonic() - age };
      });
    } catch {
      return [];
    }
  }
}

/** Not the endpoint itself: whoever reads the store knows it already, and a hash is shorter. */
const deviceOf = (endpoint: string): string =>
  createHash('sha256').update(endpoint).digest('base64url').slice(0, 16);

const hostOf = (endpoint: string): string => URL.parse(endpoint)?.host ?? 'invalid';
