import type { Clock } from '../../clock.ts';
import { errorMessage } from '../../errors.ts';
import { createSayRarely, type Logger } from '../../logging.ts';
import type { AttemptResult } from '../client/attempt-result.ts';
import { calculateRepeatDelay, calculateRetryDelay } from '../outcome/calculate-retry-delay.ts';
import { decideOutcome, needsHistory } from '../outcome/decide-outcome.ts';
import { isFault, type Outcome } from '../outcome/outcome.ts';
import type { SubscriptionBook } from '../subscriptions/subscription-book.ts';
import type { Attempt } from './attempt-push.ts';
import type { DeliveryMetrics, DropReason, FirstAttemptReport, PushAttempt } from './delivery.ts';
import { describeResult } from './describe-result.ts';
import type { QueuedPush } from './lane.ts';
import { USERS_UNTIL_FAILING } from './origin-gate.ts';

export interface OutcomeHandlerParts {
  subscriptions: SubscriptionBook;
  clock: Clock;
  metrics: DeliveryMetrics;
  onAttempt?: ((attempt: PushAttempt) => void) | undefined;
  log: Logger;
  random: () => number;
  options: { maxRetries: number };
}

/** What the schedule is to do with a push after an attempt. */
export type Disposal =
  | { kind: 'settled'; dropped?: DropReason; report: FirstAttemptReport }
  | {
      kind: 'again';
      delayMsecs: number;
      /** Nothing else goes to this push resource meanwhile. */
      pauses?: boolean;
      /** It was perhaps delivered. */
      doubtful?: boolean;
      persist: boolean;
      report?: FirstAttemptReport;
    };

/** "Retry-After: 0" must not make us knock as fast as we can: a second at least, twice that the next time … */
const SHORTEST_PAUSE_MSECS = 1_000;
/** … and so on up to this. */
const LONGEST_OWN_PAUSE_MSECS = 30_000;

const REPEAT_LOG_MSECS = 600_000;
const LONGEST_STUMBLE_MSECS = 30_000;

/** Draws the consequences of attempts: for the subscription, the push service's gate, metrics and log. */
export class OutcomeHandler {
  readonly #parts: OutcomeHandlerParts;
  readonly #sayRarely: ReturnType<typeof createSayRarely>;

  constructor(parts: OutcomeHandlerParts) {
    this.#parts = parts;
    this.#sayRarely = createSayRarely(REPEAT_LOG_MSECS, () => parts.clock.monotonic());
  }

  /** @param awaited someone waits for this first attempt, and disposes of the subscription himself */
  async handle(push: QueuedPush, attempt: Attempt, awaited: boolean): Promise<Disposal> {
    if (attempt.kind === 'gone') {
      return {
        kind: 'settled',
        dropped: 'gone',
        report: { verdict: 'refused', reason: 'gone' },
      };
    }
    const sent = attempt.kind === 'sent' ? attempt : undefined;
    const outcome =
      attempt.kind === 'sent'
        ? await this.#decide(push, attempt.result, attempt.canShrink)
        : attempt.outcome;
    const why = attempt.kind === 'sent' ? describeResult(attempt.result) : attempt.detail;
    const status = sent?.result.kind === 'response' ? sent.result.status : undefined;

    this.#note(push, outcome, status, sent?.seconds ?? 0);
    if (sent) this.#informGate(push, outcome, why);
    return this.#dispose(push, outcome, why, awaited, status);
  }

  /** Nothing was sent: the store, or the user's key, cannot be read at the moment. */
  stumbled(push: QueuedPush, error: unknown): Disposal {
    this.#parts.metrics.attempted(push.kind, 'internal', 0);
    this.#sayRarely(`stumble ${errorMessage(error)}`, (again) => {
      this.#parts.log.error(
        { error: errorMessage(error), ...again },
        'owed pushes cannot be sent for now',
      );
    });
    const delay = Math.min(1_000 * 2 ** Math.min(push.stumbles, 10), LONGEST_STUMBLE_MSECS);
    push.stumbles += 1;
    return {
      kind: 'again',
      delayMsecs: delay * (0.5 + this.#parts.random()),
      persist: false,
      report: { verdict: 'deferred', reason: 'internal' },
    };
  }

  async #decide(push: QueuedPush, result: AttemptResult, canShrink: boolean): Promise<Outcome> {
    const now = this.#parts.clock.now();
    if (!needsHistory(result)) return decideOutcome(result, { canShrink, now });
    const { user, subscriptionId, endpoint } = push.lane;
    const history = await this.#parts.subscriptions.history(user, subscriptionId, endpoint);
    return decideOutcome(result, { canShrink, now, history });
  }

  #note(
    push: QueuedPush,
    { action, reason }: Outcome,
    status: number | undefined,
    seconds: number,
  ): void {
    const { metrics, subscriptions, clock } = this.#parts;
    const { user, subscriptionId, endpoint, origin } = push.lane;
    const delivered = action === 'delivered';
    const answer = status === undefined ? {} : { status };
    metrics.attempted(push.kind, reason, seconds);
    this.#parts.onAttempt?.({
      ...{ kind: push.kind, service: origin.name, delivered, outcome: reason, seconds },
      ...answer,
    });
    if (delivered) {
      metrics.accepted(push.kind, Math.max(0, clock.now() - push.createdAt) / 1_000);
    }
    // A push that was too large is only half-way: what comes of its smaller form is the result.
    if (action === 'shrink') return;
    subscriptions.record(user, subscriptionId, endpoint, {
      ...{ delivered, outcome: reason },
      ...answer,
    });
  }

  #informGate({ lane }: QueuedPush, { action, reason }: Outcome, why: string): void {
    const { origin } = lane;
    const { gate, name: service, failedUsers } = origin;
    if (action === 'delivered') {
      origin.failedInARow = 0;
      failedUsers.clear();
    } else if (isFault(reason)) {
      origin.failedInARow += 1;
      origin.lastFailure = reason;
      if (failedUsers.size < USERS_UNTIL_FAILING) failedUsers.add(lane.user);
    }
    const before = gate.state;
    const failed =
      action === 'pause' || action === 'retry' || action === 'repeat' || reason === 'proxy-auth';
    if (failed) gate.failed(lane.user, this.#parts.clock.monotonic());
    else gate.answered(lane.user);
    if (gate.state === before) return;
    if (failed) {
      const facts = { service, users: USERS_UNTIL_FAILING, why };
      this.#parts.log.warn(facts, 'a push service fails for several users and is slowed to probes');
    } else {
      this.#parts.log.info({ service }, 'a push service takes pushes again');
    }
  }

  async #dispose(
    push: QueuedPush,
    outcome: Outcome,
    why: string,
    awaited: boolean,
    status: number | undefined,
  ): Promise<Disposal> {
    const { log, random, options } = this.#parts;
    const { user, subscriptionId: id, origin } = push.lane;
    const service = origin.name;
    log.debug({ user, id, service, outcome: outcome.reason, why }, 'pushed');
    const report = (verdict: FirstAttemptReport['verdict']): FirstAttemptReport => ({
      verdict,
      reason: outcome.reason,
      ...(status !== undefined && { status }),
    });

    switch (outcome.action) {
      case 'delivered':
        if (push.kind === 'validation') await this.#validationSent(push, true);
        return { kind: 'settled', report: report('accepted') };
      case 'remove-subscription':
        if (!awaited || push.kind !== 'validation') await this.#removeSubscription(push, why);
        return { kind: 'settled', dropped: 'refused', report: report('refused') };
      case 'give-up':
        log.warn({ user, id, service, why }, 'a push was refused and is given up');
        return { kind: 'settled', dropped: 'refused', report: report('refused') };
      case 'shrink':
        return { kind: 'again', delayMsecs: 0, persist: false };
      case 'alert-keep':
        this.#sayRarely(`${service} ${outcome.reason}`, (again) => {
          log.error({ user, id, service, why, ...again }, ADVICE[outcome.reason]);
        });
        break;
      case 'repeat':
        push.unanswered += 1;
        // Perhaps the client has it, and is about to validate.
        if (push.kind === 'validation') await this.#validationSent(push, false);
        break;
      case 'pause':
      case 'retry':
    }
    push.attempts += 1;
    const again = { kind: 'again', persist: true, report: report('deferred') } as const;
    if (outcome.action === 'repeat') {
      const delayMsecs = calculateRepeatDelay(push.unanswered, random());
      return { ...again, delayMsecs, doubtful: true };
    }
    if (outcome.action !== 'pause') {
      return {
        ...again,
        delayMsecs: calculateRetryDelay(push.attempts, options.maxRetries, random()),
      };
    }
    const shortest = SHORTEST_PAUSE_MSECS * 2 ** Math.min(push.attempts - 1, 10);
    const delayMsecs = Math.max(
      Math.min(shortest, LONGEST_OWN_PAUSE_MSECS),
      outcome.pauseMsecs ?? calculateRetryDelay(push.attempts, 0, random()),
    );
    this.#sayRarely(`pause ${service}`, (repeated) => {
      const facts = { user, id, service, pauseMsecs: delayMsecs, why, ...repeated };
      log.warn(facts, 'a push resource is given a pause; others of its push service go on');
    });
    const pausedUntil = Math.round(this.#parts.clock.now() + delayMsecs);
    return { ...again, report: { ...again.report, pausedUntil }, delayMsecs, pauses: true };
  }

  async #validationSent({ lane }: QueuedPush, taken: boolean): Promise<void> {
    const { user, subscriptionId: id, endpoint } = lane;
    try {
      await this.#parts.subscriptions.validationSent(user, id, endpoint, taken);
    } catch (error) {
      const facts = { user, id, error: errorMessage(error) };
      this.#parts.log.warn(facts, 'the time for a validation goes on from the registration');
    }
  }

  async #removeSubscription({ lane }: QueuedPush, why: string): Promise<void> {
    const { user, subscriptionId: id, endpoint, origin } = lane;
    const reason = `${why} (${origin.name})`;
    try {
      await this.#parts.subscriptions.remove(user, id, endpoint, reason);
    } catch (error) {
      const facts = { user, id, reason, error: errorMessage(error) };
      this.#parts.log.error(
        facts,
        'a dead subscription cannot be removed; its next push tries again',
      );
    }
  }
}

const ADVICE = {
  unauthorized:
    'a push service refused our authorization; check the clock and webpush.vapid_subject, and webpush.vapid_curve: most services know prime256v1 only',
  forbidden:
    'a push service refused our authorization; the subscription may belong to another VAPID key, or webpush.vapid_subject may not be to its liking',
  'proxy-auth':
    'the proxy refused our credentials; check webpush.proxy_username and webpush.proxy_password',
};
