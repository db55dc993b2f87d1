import { errorMessage } from '../../errors.ts';
import type { NewPush, OwedPush } from '../../stores/outbox-store.ts';
import {
  calculateRetryDelay,
  LONGEST_DELAY_MSECS,
  longestRepeatDelay,
} from '../outcome/calculate-retry-delay.ts';
import { MAX_RETRY_AFTER_MSECS } from '../outcome/parse-retry-after.ts';
import { Agenda, systemTimers, type Timers } from './agenda.ts';
import type {
  Delivery,
  DeliveryLevels,
  DeliveryParts,
  DeliverySnapshot,
  DropReason,
  FirstAttemptReport,
  ListedPush,
} from './delivery.ts';
import { toLevels, toListedPush, toOriginSnapshots } from './delivery-views.ts';
import { createExpirySweep } from './expiry-sweep.ts';
import { FirstAttempts } from './first-attempts.ts';
import type { QueuedPush } from './lane.ts';
import { createOutboxLimit } from './outbox-limit.ts';
import { PayloadShelf } from './payload-shelf.ts';
import { PushQueue } from './push-queue.ts';
import { PushRunner } from './push-runner.ts';
import { Settler } from './settler.ts';
import { UnsureAdds } from './unsure-adds.ts';
import { Workload } from './workload.ts';

const LOAD_PAGE = 500;
const RELOAD_MSECS = 5_000;
/** A mail that comes while its push service hangs is pushed no later than this, if it can be. */
const LONGEST_REST_MSECS = 60_000;

/**
 * The delivery engine over an outbox.
 *
 * The store is the truth about what is owed; the schedule in memory says who goes next, and knows
 * nothing that a restart could not rebuild. A push leaves the schedule and then the store: a crash in
 * between sends it twice, none is lost. Times are monotonic inside, so a step of the clock neither
 * expires nor delays what this process knows of.
 */
export const createDelivery = (parts: DeliveryParts): Delivery => new PushDelivery(parts);

class PushDelivery implements Delivery {
  readonly #parts: DeliveryParts;
  readonly #monotonic: () => number;
  readonly #agenda: Agenda;
  readonly #queue: PushQueue;
  readonly #shelf: PayloadShelf;
  readonly #settler: Settler;
  readonly #adds: UnsureAdds;
  readonly #workload: Workload;
  readonly #runner: PushRunner;
  readonly #firstAttempts: FirstAttempts;
  readonly #keepWithinLimit: () => void;
  readonly #keepSweeping: () => void;
  #state: DeliverySnapshot['state'] = 'idle';
  readonly #timers: Timers;
  #reload: unknown;
  readonly #attempts = new Map<QueuedPush, Promise<void>>();
  /** Owed since the schedule began to load; they come after what is loaded. */
  #late: OwedPush[] = [];

  constructor(parts: DeliveryParts) {
    const { store, log, clock, options } = parts;
    const monotonic = (): number => clock.monotonic();
    const timers = parts.timers ?? systemTimers;
    this.#parts = parts;
    this.#timers = timers;
    this.#monotonic = monotonic;
    this.#agenda = new Agenda(monotonic, timers);
    this.#queue = new PushQueue({
      agenda: this.#agenda,
      monotonic,
      originLimit: options.originLimit ?? 32,
      onWork: () => this.#workload.fill(),
    });
    const payloadOctets = options.payloadOctets ?? 32 * 1_048_576;
    this.#shelf = new PayloadShelf(store, (id) => this.#queue.has(id), payloadOctets);
    this.#settler = new Settler(store, log, timers);
    this.#adds = new UnsureAdds(store);
    this.#workload = new Workload({
      limit: options.totalLimit ?? 256,
      timers,
      take: () => {
        const push = this.#isIn('running') ? this.#queue.next() : undefined;
        return push && ((overdue) => this.#begin(push, overdue));
      },
    });
    this.#firstAttempts = new FirstAttempts(timers);
    this.#runner = new PushRunner(parts, this.#shelf, this.#firstAttempts);
    this.#keepSweeping = createExpirySweep({
      agenda: this.#agenda,
      queue: this.#queue,
      monotonic,
      onExpired: (pushes) => {
        for (const { id } of pushes) {
          this.#forget(id);
          parts.metrics.dropped('expired');
        }
        this.#workload.fill();
      },
    });
    this.#keepWithinLimit = createOutboxLimit({
      store,
      log,
      ...{ queue: this.#queue, monotonic },
      maxPushes: options.maxPushes,
      onDropped: (id) => {
        this.#discard(id, 'overflow');
        this.#workload.fillSoon(); // what was behind it may go
      },
    });
  }

  async enqueue(pushes: readonly NewPush[]): Promise<void> {
    this.#accept(await this.#adds.add(pushes));
  }

  async attemptNow(push: NewPush): Promise<FirstAttemptReport> {
    const [owed] = await this.#adds.add([push]);
    if (owed === undefined) return { verdict: 'deferred', reason: 'duplicate' };
    if (this.#state !== 'running' && this.#state !== 'loading') {
      return { verdict: 'deferred', reason: 'stopped' };
    }
    const report = this.#firstAttempts.wait(owed.id, this.#parts.options.timeoutMsecs);
    this.#accept([owed]);
    const pausedUntil = this.#queue.pausedUntil(owed.endpoint);
    if (pausedUntil > this.#monotonic()) {
      const paused = { reason: 'paused', pausedUntil: this.#toWall(pausedUntil) } as const;
      this.#firstAttempts.report(owed.id, { verdict: 'deferred', ...paused });
    }
    return report;
  }

  async start(): Promise<void> {
    if (this.#state !== 'idle') throw new Error('a delivery starts once');
    this.#state = 'loading';
    await this.#tryToLoad();
  }

  async stop(deadlineMsecs: number): Promise<void> {
    this.#state = 'stopping';
    this.#timers.clear(this.#reload);
    this.#agenda.close();
    await this.#workload.quiet(deadlineMsecs);
    // An attempt that ends meanwhile says itself what came of it.
    await Promise.all([...this.#attempts.keys()].map((push) => this.#runner.noteCutOff(push)));
    this.#state = 'stopped';
    this.#firstAttempts.reportAll({ verdict: 'deferred', reason: 'stopped' });
    await this.#settler.close();
  }

  snapshot(): DeliverySnapshot {
    return {
      state: this.#state,
      owed: this.#queue.size,
      oldestAgeMsecs: 1_000 * this.levels().oldestAgeSeconds,
      ...toOriginSnapshots(this.#queue.origins()),
    };
  }

  levels(): DeliveryLevels {
    const levels = toLevels(this.#queue, this.#parts.clock.now());
    return { ...levels, unsettled: this.#settler.backlog };
  }

  async list(afterId: number, limit: number): Promise<ListedPush[]> {
    const page = await this.#parts.store.page(afterId, limit);
    const now = this.#parts.clock.now();
    return page.map((push) => {
      const at = Math.max(push.nextAttemptAt, this.#toWall(this.#queue.dueAt(push.id)));
      return toListedPush(push, at > now ? at : 0);
    });
  }

  /** Milliseconds since the epoch, from monotonic ones. */
  #toWall(monotonic: number): number {
    return Math.round(this.#parts.clock.now() + monotonic - this.#monotonic());
  }

  async drop(id: number): Promise<boolean> {
    const [push] = await this.#parts.store.page(id - 1, 1);
    if (push?.id !== id) return false;
    await this.#parts.store.settle([id]);
    this.#discard(id, 'admin');
    this.#workload.fill();
    return true;
  }

  async forget(user: string): Promise<number> {
    const ids = await this.#parts.store.forgetUser(user);
    for (const id of ids) this.#discard(id, 'admin');
    this.#late = this.#late.filter((push) => push.user !== user);
    this.#workload.fill();
    const underWay = [...this.#attempts].filter(([{ lane }]) => lane.user === user);
    await Promise.allSettled(underWay.map(([, attempt]) => attempt));
    return ids.length;
  }

  /**
   * What is in the outbox may be out of reach for now (its disk is full, or locked by somebody): mail and
   * all else do not wait for it.
   */
  async #tryToLoad(): Promise<void> {
    try {
      await this.#load();
    } catch (error) {
      const reason = errorMessage(error);
      this.#parts.log.error({ error: reason }, 'cannot read what is owed; trying again');
      if (!this.#isIn('loading')) return;
      this.#reload = this.#timers.set(() => void this.#tryToLoad(), RELOAD_MSECS);
      return;
    }
    if (!this.#isIn('loading')) return;
    this.#state = 'running';
    const owed = this.#queue.size;
    if (owed > 0) this.#parts.log.info({ owed }, 'pushes are owed from before');
    const late = this.#late;
    this.#late = [];
    this.#accept(late);
  }

  async #load(): Promise<void> {
    for (let last = 0; this.#isIn('loading');) {
      const page = await this.#parts.store.page(last, LOAD_PAGE);
      for (const push of page) this.#schedule(push);
      const end = page.at(-1);
      if (end === undefined) return;
      last = end.id;
    }
  }

  /** A method, because the state may change during any `await`. */
  #isIn(state: DeliverySnapshot['state']): boolean {
    return this.#state === state;
  }

  /**
   * Takes over pushes that came while this process runs: their payloads are at hand. They are begun a
   * moment later, because Dovecot is waiting to hear that they are owed.
   */
  #accept(added: readonly OwedPush[]): void {
    if (this.#state === 'loading') this.#late.push(...added);
    if (this.#state !== 'running') return;
    for (const push of added) {
      this.#shelf.put(push);
      this.#schedule(push);
    }
    this.#goOn();
    void this.#acceptFound();
  }

  /** Their payloads stay in the store: should it let go of one in this moment, that one is not sent. */
  async #acceptFound(): Promise<void> {
    for await (const push of this.#adds.find()) {
      if (!this.#isIn('running')) return;
      this.#schedule(push);
      this.#goOn();
    }
  }

  #goOn(): void {
    this.#keepWithinLimit();
    this.#keepSweeping();
    this.#workload.fillSoon();
  }

  #schedule(push: OwedPush): void {
    this.#adds.saw(push.id);
    if (this.#queue.has(push.id) || this.#settler.has(push.id)) return;
    const now = this.#monotonic();
    const wallNow = this.#parts.clock.now();
    // However wrong the clock was when it was owed, it lives no longer than it was to.
    const life = Math.min(push.expiresAt - wallNow, push.expiresAt - push.createdAt);
    const noted = Math.max(0, push.nextAttemptAt - wallNow);
    const repeatDelay = push.unanswered > 0 ? longestRepeatDelay(push.unanswered) : 0;
    const longest = Math.max(LONGEST_DELAY_MSECS, repeatDelay);
    // However wrong the clock was when the next attempt was set, it is not far away.
    const wait = noted <= Math.max(MAX_RETRY_AFTER_MSECS, longest) ? noted : longest;
    // No delay of ours is that long: an earlier process heard Retry-After.
    if (wait > longest) this.#queue.pause(push.endpoint, now + wait);
    this.#queue.add(push, now + life, now + wait);
  }

  #begin(push: QueuedPush, overdue: () => void): Promise<void> {
    const timer = this.#timers.set(() => {
      this.#queue.overdue(push);
      overdue();
    }, this.#parts.options.timeoutMsecs);
    const attempt = this.#attempt(push, timer).finally(() => this.#attempts.delete(push));
    this.#attempts.set(push, attempt);
    return attempt;
  }

  async #attempt(push: QueuedPush, timer: unknown): Promise<void> {
    const disposal = await this.#runner.run(push);
    this.#timers.clear(timer);
    // The store may be closed by now; what is not noted is done again by the next process.
    if (this.#isIn('stopped')) return;
    if (disposal.report) this.#firstAttempts.report(push.id, disposal.report);
    if (disposal.kind === 'again' && !push.removed) {
      const dueAt = this.#monotonic() + disposal.delayMsecs;
      if (disposal.pauses) this.#queue.pause(push.lane.endpoint, dueAt);
      if (disposal.doubtful) this.#queue.repeat(push, dueAt, (count) => this.#rest(count));
      else this.#queue.postpone(push, dueAt);
      if (disposal.persist) void this.#runner.noteFailure(push, disposal.delayMsecs);
      return;
    }
    if (disposal.kind === 'settled' && disposal.dropped && !push.removed) {
      this.#parts.metrics.dropped(disposal.dropped);
    }
    this.#queue.finish(push);
    this.#forget(push.id);
  }

  /** How long a subscription is left alone whose pushes go out without an answer, so many in a row. */
  #rest(unanswered: number): number {
    const random = this.#parts.random ?? Math.random;
    const { maxRetries } = this.#parts.options;
    return Math.min(calculateRetryDelay(unanswered, maxRetries, random()), LONGEST_REST_MSECS);
  }

  /** Lets go of a push that the store does not have any more. */
  #discard(id: number, reason: DropReason): void {
    this.#queue.remove(id);
    this.#shelf.remove(id);
    this.#firstAttempts.report(id, { verdict: 'refused', reason: 'gone' });
    this.#parts.metrics.dropped(reason);
  }

  #forget(id: number): void {
    this.#shelf.remove(id);
    this.#settler.settle(id);
  }
}
