import { setImmediate } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import { errorMessage } from '../../errors.ts';
import { KeyedMutex } from '../../keyed-mutex.ts';
import type { Logger } from '../../logging.ts';
import { OvertakenError } from '../../stores/overtaken-error.ts';
import type { Change, CommitResult, Expectation, Store, StoreEntry } from '../../stores/store.ts';
import { ATTEMPTS_KEY, type AttemptBudget, type BudgetedChange } from './attempt-budget.ts';
import { historyOf, joinHistories, NO_DELIVERIES } from './delivery-history.ts';
import type { DeliveryHistory, DeliveryResult } from './delivery-history.ts';
import { HistoryBuffer } from './history-buffer.ts';
import type { SubscriptionChange } from './subscription-change.ts';
import { SubscriptionPlan } from './subscription-plan.ts';
import {
  decodeRecord,
  SUBSCRIPTION_PREFIX,
  subscriptionKey,
  type KeptSubscription,
  type SubscriptionRecord,
} from './subscription-record.ts';
import type { SubscriptionRules } from './subscription-rules.ts';

export interface SubscriptionLedgerOptions extends SubscriptionRules {
  store: Store;
  clock: Clock;
  log: Logger;
  /** Milliseconds for which delivery results may stay in memory; a minute unless given. */
  flushMsecs?: number;
  /** Hears of every change once it is stored: for metrics and for the abuse throttle. */
  onChange?: (user: string, change: SubscriptionChange, endpoint: string) => void;
  /** Hears of a record that is none; it is not used. */
  onDamaged?: (user: string, key: string) => void;
  /** How many validation pushes may stay unvalidated; no limit unless given. */
  budget?: AttemptBudget;
}

/** Stores a plan's changes and `alongside` in one go; once per plan. */
export type CommitPlan = (alongside?: readonly Change[]) => Promise<CommitResult>;

/** A user's subscriptions, and what {@link ATTEMPTS_KEY} has beside them. */
const OWN_PREFIX = 'webpush/subscription';

const FLUSH_MSECS = 60_000;
/** Subscriptions with results in memory before they are stored ahead of time: some megabytes. */
const MAX_BUFFERED = 10_000;
/** Users at a time in the background; the store groups their commits, and others have their turn. */
const BATCH = 64;
/** Times to validate that are remembered; they last minutes. */
const MOST_DEADLINES = 100_000;
/** NTP corrects less than this without setting the clock. */
const DRIFT_MSECS = 1_000;
/** How often a transaction begins anew that another sidecar has overtaken. */
const MOST_ATTEMPTS = 5;

/**
 * Keeps the subscription records of all users, one transaction per user at a time.
 *
 * Delivery results wait in memory and ride along with the user's next commit, or are stored every
 * {@link SubscriptionLedgerOptions.flushMsecs}. A crash loses that much of the counts and nothing
 * else; an orderly {@link close} loses nothing.
 */
export class SubscriptionLedger {
  readonly #options: SubscriptionLedgerOptions;
  readonly #turns = new KeyedMutex();
  readonly #buffer = new HistoryBuffer();
  /** When a user's next subscription expires, by the monotonic clock, for those that this process stored. */
  readonly #expiries = new Map<string, number>();
  /** What octets of the store mean; a store that reads from memory gives the same ones again. */
  readonly #decoded = new WeakMap<Buffer, SubscriptionRecord>();
  /** When the time ends that this process gave to a token, which nobody can draw out by setting the clock. */
  readonly #deadlines = new LRUCache<string, Deadline>({ max: MOST_DEADLINES });
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> | undefined;
  /** Whether the next sweep has to look at everyone. */
  #allDue = false;
  #closing = false;

  constructor(options: SubscriptionLedgerOptions) {
    this.#options = options;
  }

  async read(user: string, id: string): Promise<SubscriptionRecord | undefined> {
    const octets = await this.#options.store.get(user, subscriptionKey(id));
    return octets && this.#byElapsedTime(this.#decode(user, id, octets));
  }

  /** A user's records by ID; a damaged one is empty, so that its ID can be used or removed. */
  async readAll(user: string): Promise<Map<string, SubscriptionRecord>> {
    return this.#decodeAll(user, await this.#options.store.list(user, SUBSCRIPTION_PREFIX));
  }

  /**
   * Runs `work` on a plan of the user's subscriptions, alone of all work for that user. Nothing is
   * stored unless `work` calls `commit`; if it throws first, nothing has changed.
   *
   * `work` must not start another transaction of the same user: it would wait for itself. Waiting
   * for a push service belongs after it. It is run again when another sidecar over the same store has
   * changed the same subscriptions before it could commit.
   *
   * @throws UnavailableError the store cannot be read or written
   */
  transact<T>(
    user: string,
    work: (plan: SubscriptionPlan, commit: CommitPlan) => Promise<T>,
  ): Promise<T> {
    return this.#turns.run(user, async () => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await this.#attempt(user, work);
        } catch (error) {
          if (!(error instanceof OvertakenError) || attempt === MOST_ATTEMPTS) throw error;
        }
      }
    });
  }

  async #attempt<T>(
    user: string,
    work: (plan: SubscriptionPlan, commit: CommitPlan) => Promise<T>,
  ): Promise<T> {
    const entries = await this.#options.store.list(user, OWN_PREFIX);
    const isRecord = ({ key }: StoreEntry): boolean => key.startsWith(SUBSCRIPTION_PREFIX);
    const records = this.#decodeAll(user, entries.filter(isRecord));
    const plan = new SubscriptionPlan(user, records, this.#options, this.#options.clock.now());
    return work(plan, (alongside = []) => this.#store(user, plan, alongside, entries));
  }

  /** Notes how an attempt to push ended; costs no disk access. */
  note(user: string, id: string, endpoint: string, result: DeliveryResult): void {
    const history = historyOf(result, this.#options.clock.now());
    this.#buffer.add(user, { id, endpoint, history });
    if (this.#buffer.size > MAX_BUFFERED) this.#schedule(0);
    else if (this.#timer === undefined) this.#schedule(this.#options.flushMsecs ?? FLUSH_MSECS);
  }

  /** What is known of the pushes to `endpoint`, with what is not stored yet. */
  history(user: string, id: string, endpoint: string): Promise<DeliveryHistory> {
    return this.#turns.run(user, async () => {
      const { active, pending } = (await this.read(user, id)) ?? {};
      const kept = [active, pending].find((it) => it?.subscription.resource.endpoint === endpoint);
      const waiting = this.#buffer
        .peek(user)
        .find((entry) => entry.id === id && entry.endpoint === endpoint);
      return joinHistories(kept?.history ?? NO_DELIVERIES, waiting?.history ?? NO_DELIVERIES);
    });
  }

  /** A user's records by ID as they stand now, with the delivery results that are not stored yet. */
  inspect(user: string): Promise<ReadonlyMap<string, SubscriptionRecord>> {
    return this.transact(user, (plan) => {
      plan.addHistory(this.#buffer.peek(user));
      return Promise.resolve(plan.records);
    });
  }

  /** Stores the delivery results that are still in memory; what cannot be stored stays there. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#forEach(this.#buffer.users(), 'store delivery results', (user) =>
      this.#write(user),
    );
    if (this.#buffer.size > 0) this.#schedule(this.#options.flushMsecs ?? FLUSH_MSECS);
  }

  /**
   * Removes the subscriptions that this process stored and whose time for validation is over; one
   * sweep at a time. Never rejects.
   */
  sweep(): Promise<void> {
    this.#sweeping ??= this.#removeExpired()
      .catch((error: unknown) => {
        this.#allDue = true;
        const { log } = this.#options;
        log.warn({ error: errorMessage(error) }, 'could not list all users; trying later');
      })
      .finally(() => (this.#sweeping = undefined));
    return this.#sweeping;
  }

  /** The same for every user of the store: once at start, for what an earlier process left. */
  sweepAll(): Promise<void> {
    this.#allDue = true;
    return this.sweep();
  }

  /** Ends a sweep under way and stores what is in memory. Nothing may be noted afterwards. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#sweeping;
    await this.flush();
    clearTimeout(this.#timer);
  }

  async #removeExpired(): Promise<void> {
    const users = this.#allDue ? await this.#allUsers() : this.#dueUsers();
    this.#allDue = false;
    await this.#forEach(users, 'remove expired subscriptions', (user) => this.#discard(user));
  }

  async #allUsers(): Promise<string[]> {
    const users: string[] = [];
    for await (const user of this.#options.store.users()) {
      if (this.#closing) return [];
      users.push(user);
    }
    return users;
  }

  #dueUsers(): string[] {
    const now = this.#options.clock.monotonic();
    return [...this.#expiries].filter(([, expiry]) => now > expiry).map(([user]) => user);
  }

  async #discard(user: string): Promise<void> {
    if (this.#closing) return;
    await this.#write(user);
  }

  /** Stores what there is to store without anyone's asking. */
  #write(user: string): Promise<CommitResult> {
    return this.transact(user, (_plan, commit) => commit());
  }

  async #store(
    user: string,
    plan: SubscriptionPlan,
    alongside: readonly Change[],
    before: readonly StoreEntry[],
  ): Promise<CommitResult> {
    const results = this.#buffer.take(user);
    let stored: CommitResult | undefined;
    let budgeted: BudgetedChange | undefined;
    try {
      plan.addHistory(results);
      const subscriptions = plan.changes();
      budgeted = this.#planAttempts(user, plan, before);
      const own = [...subscriptions, ...(budgeted?.changes ?? [])];
      const changes = [...own.map(({ key }) => asBefore(key, before)), ...alongside, ...own];
      stored = changes.length > 0 ? await this.#options.store.commit(user, changes) : 'committed';
    } finally {
      if (stored !== 'committed') this.#buffer.putBack(user, results);
    }
    if (stored !== 'committed') return stored;
    budgeted?.settle();
    return this.#settle(user, plan);
  }

  #planAttempts(
    user: string,
    plan: SubscriptionPlan,
    before: readonly StoreEntry[],
  ): BudgetedChange | undefined {
    const stored = before.find(({ key }) => key === ATTEMPTS_KEY)?.value;
    const sentTo = plan.pushes.map(({ resource }) => resource.endpoint);
    const validated = plan.endpointEvents
      .filter(({ change }) => change === 'validated')
      .map(({ endpoint }) => endpoint);
    return this.#options.budget?.plan(user, stored, sentTo, validated);
  }

  #settle(user: string, plan: SubscriptionPlan): CommitResult {
    const { clock } = this.#options;
    const toMonotonic = clock.monotonic() - clock.now();
    const expiry = plan.nextExpiry;
    if (expiry === undefined) this.#expiries.delete(user);
    else this.#expiries.set(user, expiry + toMonotonic);
    for (const { after } of plan.made) {
      for (const { tokenHash, expiresAt } of partsOf(after)) {
        this.#deadlines.set(tokenHash, { expiresAt, monotonic: expiresAt + toMonotonic });
      }
    }
    for (const { change, endpoint } of plan.endpointEvents) {
      this.#options.onChange?.(user, change, endpoint);
    }
    return 'committed';
  }

  /**
   * The same, with the times to validate in terms of the clock as it is now: setting it neither ends nor
   * prolongs them. What an earlier process stored keeps the time that it was given.
   */
  #byElapsedTime(record: SubscriptionRecord): SubscriptionRecord {
    if (partsOf(record).every((kept) => this.#today(kept) === kept.expiresAt)) return record;
    const { active, pending } = record;
    return {
      ...(active && { active: { ...active, expiresAt: this.#today(active) } }),
      ...(pending && { pending: { ...pending, expiresAt: this.#today(pending) } }),
    };
  }

  #today({ tokenHash, expiresAt }: KeptSubscription): number {
    const given = this.#deadlines.get(tokenHash);
    if (given?.expiresAt !== expiresAt) return expiresAt;
    const { clock } = this.#options;
    const today = Math.round(given.monotonic + clock.now() - clock.monotonic());
    return Math.abs(today - expiresAt) < DRIFT_MSECS ? expiresAt : today;
  }

  #decodeAll(user: string, entries: readonly StoreEntry[]): Map<string, SubscriptionRecord> {
    return new Map(
      entries.map(({ key, value }) => {
        const id = key.slice(SUBSCRIPTION_PREFIX.length);
        return [id, this.#byElapsedTime(this.#decode(user, id, value))];
      }),
    );
  }

  #decode(user: string, id: string, octets: Buffer): SubscriptionRecord {
    const known = this.#decoded.get(octets);
    if (known) return known;
    const record = decodeRecord(octets);
    if (!record) this.#options.onDamaged?.(user, subscriptionKey(id));
    this.#decoded.set(octets, record ?? {});
    return record ?? {};
  }

  async #forEach(
    users: readonly string[],
    task: string,
    work: (user: string) => Promise<unknown>,
  ): Promise<void> {
    for (let start = 0; start < users.length; start += BATCH) {
      const results = await Promise.allSettled(users.slice(start, start + BATCH).map(work));
      // Work that finds nothing to store never leaves this turn of the event loop by itself.
      await setImmediate();
      const failed = results.filter((result) => result.status === 'rejected');
      if (failed.length === 0) continue;
      const error = errorMessage(failed[0]?.reason);
      this.#options.log.warn({ error, users: failed.length }, `could not ${task}; trying later`);
    }
  }

  #schedule(msecs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.flush(), msecs);
    this.#timer.unref();
  }
}

/** What a time to validate was stored as, and when it ends by the monotonic clock. */
interface Deadline {
  expiresAt: number;
  monotonic: number;
}

const partsOf = ({ active, pending }: SubscriptionRecord): KeptSubscription[] =>
  [active, pending].filter((kept) => kept !== undefined);

const asBefore = (key: string, before: readonly StoreEntry[]): Expectation => ({
  op: 'expect',
  key,
  value: before.find((entry) => entry.key === key)?.value,
});
