import type { PushKind } from '../../stores/outbox-store.ts';
import type { DeliveryHistory, DeliveryResult } from './delivery-history.ts';
import { findSubscriptionId } from './subscription-id.ts';
import type { RecordChange } from './restore-record.ts';
import {
  SubscriptionLedger,
  type CommitPlan,
  type SubscriptionLedgerOptions,
} from './subscription-ledger.ts';
import type { SubscriptionPlan } from './subscription-plan.ts';
import { isExpired, shownSubscription, type SubscriptionRecord } from './subscription-record.ts';
import { wantsMessage, type PushResource, type Subscription } from './subscription.ts';
import type { ValidationPush } from '../validation/validation-push.ts';

export type SubscriptionsOptions = SubscriptionLedgerOptions;

/** A subscription under its ID, as clients may see it. */
export interface ListedSubscription {
  id: string;
  subscription: Subscription;
}

/** Where a message's push goes. */
export interface PushTarget {
  id: string;
  resource: PushResource;
}

/** How the first attempt at a validation push ended: `deferred` goes on in the background. */
export type FirstAttempt = 'accepted' | 'refused' | 'deferred';

/**
 * The subscriptions of all users: what clients do to them, and what the delivery engine asks of them.
 *
 * Every change is one store commit, and the changes of one user come one after another, so that
 * requests at the same time cannot exceed the limit. {@link transact} puts several requests, and
 * changes that have nothing to do with subscriptions, into one commit; the other methods are that for
 * a single request.
 *
 * Any change can throw UnavailableError; nothing has changed then.
 */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #ledger: SubscriptionLedger;

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
    this.#ledger = new SubscriptionLedger(options);
  }

  /** {@link SubscriptionLedger.transact} */
  transact<T>(
    user: string,
    work: (plan: SubscriptionPlan, commit: CommitPlan) => Promise<T>,
  ): Promise<T> {
    return this.#ledger.transact(user, work);
  }

  /**
   * Stores a subscription that waits for its validation; {@link SubscriptionPlan.register}.
   *
   * @returns the push that the caller owes the client now
   * @throws InvalidInputError the ID or the value breaks a rule
   * @throws SubscriptionRefusedError `limit`
   */
  register(user: string, id: string, value: Uint8Array): Promise<ValidationPush> {
    return this.#change(user, (plan) => plan.register(id, value));
  }

  /** {@link SubscriptionPlan.takeBack} */
  takeBack(user: string, made: readonly RecordChange[]): Promise<void> {
    return this.#change(user, (plan) => plan.takeBack(made));
  }

  /** {@link SubscriptionPlan.validationSent} */
  validationSent(user: string, id: string, endpoint: string, taken: boolean): Promise<void> {
    return this.#change(user, (plan) => plan.validationSent(id, endpoint, taken));
  }

  /** {@link SubscriptionPlan.validate} */
  validate(user: string, id: string, value: Uint8Array): Promise<void> {
    return this.#change(user, (plan) => plan.validate(id, value));
  }

  /** The client's wish; {@link SubscriptionPlan.remove} */
  unsubscribe(user: string, id: string): Promise<void> {
    return this.#change(user, (plan) => plan.remove(id));
  }

  /** For admins, and after the user's VAPID key was replaced. */
  removeAll(user: string): Promise<void> {
    return this.#change(user, (plan) => plan.removeAll());
  }

  /** All that a client may see, by ID. */
  async list(user: string): Promise<ListedSubscription[]> {
    const now = this.#options.clock.now();
    return [...(await this.#ledger.readAll(user))].flatMap(([id, record]) => {
      const subscription = shownSubscription(record, now);
      return subscription ? [{ id, subscription }] : [];
    });
  }

  /** The one under `id`, as {@link list} has it. */
  async find(user: string, idText: string): Promise<Subscription | undefined> {
    const id = findSubscriptionId(idText);
    const record = id === undefined ? undefined : await this.#ledger.read(user, id);
    return record && shownSubscription(record, this.#options.clock.now());
  }

  /** {@link SubscriptionLedger.inspect} */
  inspect(user: string): Promise<ReadonlyMap<string, SubscriptionRecord>> {
    return this.#ledger.inspect(user);
  }

  /** Whom a message's push goes to: validated subscriptions that ask for such messages. */
  async forMessage(user: string, isChat: boolean): Promise<PushTarget[]> {
    return [...(await this.#ledger.readAll(user))].flatMap(([id, { active }]) => {
      if (!active) return [];
      const { msgtype, resource } = active.subscription;
      return wantsMessage(msgtype, isChat) ? [{ id, resource }] : [];
    });
  }

  /** Whether a push could come of some message or other; {@link forMessage} decides about one. */
  async wantsAny(user: string): Promise<boolean> {
    const records = [...(await this.#ledger.readAll(user)).values()];
    return records.some(({ active }) => active !== undefined);
  }

  /**
   * The push resource that an owed push was made for, if it still stands.
   *
   * A validation push goes to what waits for validation, a message push to what is in use, and
   * any other to whichever has the endpoint.
   */
  async resource(
    user: string,
    id: string,
    endpoint: string,
    kind: PushKind = 'test',
  ): Promise<PushResource | undefined> {
    const { active, pending } = (await this.#ledger.read(user, id)) ?? {};
    const waiting = pending && !isExpired(pending, this.#options.clock.now()) ? pending : undefined;
    const candidates = { message: [active], validation: [waiting], test: [active, waiting] }[kind];
    return candidates
      .map((kept) => kept?.subscription.resource)
      .find((resource) => resource?.endpoint === endpoint);
  }

  /**
   * Removes what goes to `endpoint`, because its push service says so. A subscription that was
   * replaced in the meantime stays.
   *
   * @param reason for the log
   * @returns whether anything was removed
   */
  async remove(user: string, id: string, endpoint: string, reason: string): Promise<boolean> {
    const removed = await this.#change(user, (plan) => plan.removeEndpoint(id, endpoint));
    if (removed) this.#options.log.info({ user, id, reason }, 'removed a subscription');
    return removed;
  }

  /** {@link SubscriptionLedger.note} */
  record(user: string, id: string, endpoint: string, result: DeliveryResult): void {
    this.#ledger.note(user, id, endpoint, result);
  }

  /** {@link SubscriptionLedger.history} */
  history(user: string, id: string, endpoint: string): Promise<DeliveryHistory> {
    return this.#ledger.history(user, id, endpoint);
  }

  /** {@link SubscriptionLedger.sweep} */
  sweep(): Promise<void> {
    return this.#ledger.sweep();
  }

  /** {@link SubscriptionLedger.sweepAll} */
  sweepAll(): Promise<void> {
    return this.#ledger.sweepAll();
  }

  /** {@link SubscriptionLedger.flush} */
  flush(): Promise<void> {
    return this.#ledger.flush();
  }

  /** {@link SubscriptionLedger.close} */
  close(): Promise<void> {
    return this.#ledger.close();
  }

  #change<T>(user: string, request: (plan: SubscriptionPlan) => T): Promise<T> {
    return this.#ledger.transact(user, async (plan, commit) => {
      const result = request(plan);
      await commit();
      return result;
    });
  }
}
