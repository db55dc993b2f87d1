import { errorMessage } from '../../errors.ts';
import { calculateRepeatDelay } from '../outcome/calculate-retry-delay.ts';
import { attemptPush, type AttemptParts } from './attempt-push.ts';
import type { DeliveryParts } from './delivery.ts';
import type { FirstAttempts } from './first-attempts.ts';
import type { QueuedPush } from './lane.ts';
import { OutcomeHandler, type Disposal } from './outcome-handler.ts';
import type { PayloadShelf } from './payload-shelf.ts';
import { SizeLimits } from './size-limits.ts';

/** Attempts pushes and draws the consequences; what becomes of the schedule is left to the caller. */
export class PushRunner {
  readonly #parts: DeliveryParts;
  readonly #attempts: AttemptParts;
  readonly #outcomes: OutcomeHandler;
  readonly #firstAttempts: FirstAttempts;

  constructor(parts: DeliveryParts, shelf: PayloadShelf, firstAttempts: FirstAttempts) {
    const monotonic = (): number => parts.clock.monotonic();
    this.#parts = parts;
    this.#firstAttempts = firstAttempts;
    this.#outcomes = new OutcomeHandler({ ...parts, random: parts.random ?? Math.random });
    this.#attempts = {
      ...parts,
      shelf,
      limits: new SizeLimits(monotonic),
      padding: parts.options.padding,
      monotonic,
    };
  }

  /** Never rejects: what goes wrong on our side is a reason to try again. */
  async run(push: QueuedPush): Promise<Disposal> {
    if (push.expiresAt <= this.#attempts.monotonic()) {
      const report = { verdict: 'refused', reason: 'expired' } as const;
      return { kind: 'settled', dropped: 'expired', report };
    }
    try {
      const attempt = await attemptPush(push, this.#attempts);
      return await this.#outcomes.handle(push, attempt, this.#firstAttempts.has(push.id));
    } catch (error) {
      return this.#outcomes.stumbled(push, error);
    }
  }

  /**
   * Notes, where this process does not see the end of an attempt, that the push was perhaps delivered;
   * never rejects.
   */
  noteCutOff(push: QueuedPush): Promise<void> {
    const { id, attempts, unanswered } = push;
    const counts = { id, attempts: attempts + 1, unanswered: unanswered + 1 };
    const random = this.#parts.random ?? Math.random;
    return this.noteFailure(counts, calculateRepeatDelay(counts.unanswered, random()));
  }

  /** Notes in the store when the push is to go out again, for the next process; never rejects. */
  noteFailure(
    { id, attempts, unanswered }: Pick<QueuedPush, 'id' | 'attempts' | 'unanswered'>,
    delayMsecs: number,
  ): Promise<void> {
    const { store, clock, log } = this.#parts;
    const nextAttemptAt = Math.round(clock.now() + delayMsecs);
    return store.postpone(id, { attempts, unanswered, nextAttemptAt }).catch((error: unknown) => {
      // This process knows; only the next one would try a little early.
      log.warn({ error: errorMessage(error) }, 'a failed attempt could not be noted in the outbox');
    });
  }
}
