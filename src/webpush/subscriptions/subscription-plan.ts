import type { Change } from '../../stores/store.ts';
import { adoptedSubscription, judgeAdoption, type Adoption } from './adopt-subscription.ts';
import { requireHttps } from './check-endpoint.ts';
import { joinHistories, NO_DELIVERIES } from './delivery-history.ts';
import type { BufferedHistory } from './history-buffer.ts';
import { parseSubscription } from './parse-subscription.ts';
import { restoreRecord, type LooseRecord, type RecordChange } from './restore-record.ts';
import type { SubscriptionChange } from './subscription-change.ts';
import { findSubscriptionId, parseSubscriptionId } from './subscription-id.ts';
import {
  encodeRecord,
  isExpired,
  subscriptionKey,
  type KeptSubscription,
  type SubscriptionRecord,
} from './subscription-record.ts';
import { refusals } from './subscription-refused-error.ts';
import type { SubscriptionRules } from './subscription-rules.ts';
import { createValidationToken, hashToken, matchesToken } from '../validation/validation-token.ts';
import { createValidationPush, type ValidationPush } from '../validation/validation-push.ts';

/**
 * What one transaction makes of a user's subscriptions: requests go in, store changes come out.
 *
 * It touches nothing but its own copy, so a request that is refused half-way leaves no trace, and the
 * changes can go into one store commit with those of others. Subscriptions whose time for validation
 * is over are gone from the start, and their removal is among the changes.
 */
export class SubscriptionPlan {
  readonly #user: string;
  readonly #rules: SubscriptionRules;
  readonly #now: number;
  readonly #records: Map<string, SubscriptionRecord>;
  /** What stood under each ID before, without what had expired. */
  readonly #before: ReadonlyMap<string, SubscriptionRecord>;
  /** The IDs that were in use before: storing under one of them again adds none. */
  readonly #usedBefore: Set<string>;
  readonly #expired = new Map<string, KeptSubscription>();
  readonly #touched = new Set<string>();
  readonly #pushes = new Map<string, ValidationPush>();
  readonly #events: { change: SubscriptionChange; endpoint: string }[] = [];

  /** @param records by ID, as the store has them */
  constructor(
    user: string,
    records: ReadonlyMap<string, SubscriptionRecord>,
    rules: SubscriptionRules,
    now: number,
  ) {
    this.#user = user;
    this.#rules = rules;
    this.#now = now;
    this.#records = new Map(records);
    for (const [id, { active, pending }] of records) {
      if (pending === undefined || !isExpired(pending, now)) continue;
      this.#expired.set(id, pending);
      this.#put(id, { active });
      this.#tell(pending.sentAt === undefined ? 'unsent' : 'expired', pending);
    }
    this.#before = new Map(this.#records);
    this.#usedBefore = new Set(this.#usedIds());
  }

  /**
   * Takes a new subscription in, to wait for its validation. One that is in use under the same ID
   * stays in use until then.
   *
   * @param value the annotation's octets
   * @throws InvalidInputError the ID or the value breaks a rule
   */
  register(idText: string, value: Uint8Array): ValidationPush {
    const id = parseSubscriptionId(idText);
    const request = parseSubscription(value, this.#rules.judgeEndpoint ?? requireHttps);
    const { active, pending } = this.#records.get(id) ?? {};
    const token = createValidationToken(this.#rules.randomBytes);
    const kept: KeptSubscription = {
      subscription: { created: formatTime(this.#now), validated: false, ...request },
      tokenHash: hashToken(token),
      expiresAt: this.#now + this.#rules.expireMsecs,
      history:
        active?.subscription.resource.endpoint === request.resource.endpoint
          ? active.history
          : NO_DELIVERIES,
    };
    const push = createValidationPush(this.#user, id, kept, token, this.#now);
    if (pending) this.#tell('abandoned', pending);
    this.#put(id, { active, pending: kept });
    this.#tell('registered', kept);
    // Of several values for one ID in one transaction only the last is ever sent.
    this.#pushes.set(id, push);
    return push;
  }

  /**
   * Has the time for validation begin anew, because the validation push went out: to validate is
   * possible from then on ("within a certain timeframe … of sending the validation push message"), also
   * when it went out before. Until then it counts from the registration, and so does the life of that
   * push: together they last no longer than twice the time.
   *
   * @param taken whether the push service said so; else it did not answer, and nobody can be blamed for
   *   not validating
   */
  validationSent(id: string, endpoint: string, taken: boolean): void {
    const { active, pending } = this.#records.get(id) ?? {};
    const expiresAt = this.#now + this.#rules.expireMsecs;
    const time = { expiresAt, ...(taken && { sentAt: this.#now }) };
    if (pending && goesTo(endpoint, pending)) {
      this.#put(id, { active, pending: { ...pending, ...time } });
    } else if (active && goesTo(endpoint, active) && !isExpired(active, this.#now)) {
      // A client can be quicker than the push service's answer.
      this.#put(id, { active: { ...active, ...time }, pending });
    }
  }

  /**
   * Takes a validation text. The right one may come again while its time lasts: the specification
   * asks for OK to the right value within the timeframe, and a client whose connection broke before
   * the answer will repeat it. While a replacement waits, only the replacement's text is right.
   *
   * @param value the annotation's octets, compared as they are
   * @throws SubscriptionRefusedError `wrong`, `late` or `unknown`
   */
  validate(idText: string, value: Uint8Array): void {
    const id = findSubscriptionId(idText) ?? '';
    const { active, pending } = this.#records.get(id) ?? {};
    const expired = this.#expired.get(id);
    if (pending) {
      if (!matchesToken(value, pending.tokenHash)) throw refusals.wrong();
      const subscription = { ...pending.subscription, validated: true };
      this.#put(id, { active: { ...pending, subscription } });
      this.#tell('validated', pending);
    } else if (expired && matchesToken(value, expired.tokenHash)) {
      throw refusals.late();
    } else if (active) {
      if (!matchesToken(value, active.tokenHash)) throw refusals.wrong();
      if (isExpired(active, this.#now)) throw refusals.late();
    } else {
      throw refusals.unknown();
    }
  }

  /**
   * Takes in what was validated elsewhere, {@link judgeAdoption}; what waits under its ID goes on waiting.
   *
   * @throws InvalidInputError the ID or the value breaks a rule
   * @throws SubscriptionRefusedError `limit`
   */
  adopt(idText: string, value: Uint8Array, created: string, overwrite: boolean): Adoption {
    const id = parseSubscriptionId(idText);
    const request = parseSubscription(value, this.#rules.judgeEndpoint ?? requireHttps);
    const { active, pending } = this.#records.get(id) ?? {};
    const adoption = judgeAdoption(active, request, overwrite);
    if (adoption === 'unchanged' || adoption === 'kept') return adoption;
    if (!active && !pending && this.#usedIds().length >= this.#rules.limit) {
      throw refusals.limit(this.#rules.limit);
    }
    this.#put(id, { active: adoptedSubscription(request, created, this.#now), pending });
    return adoption;
  }

  /** Frees an ID. As with any annotation, one that has no value can be removed. */
  remove(idText: string): void {
    const id = findSubscriptionId(idText);
    const record = id === undefined ? undefined : this.#records.get(id);
    if (id === undefined || record === undefined) return;
    if (record.active) this.#tell('removed', record.active);
    if (record.pending) this.#tell('abandoned', record.pending);
    this.#put(id, {});
    this.#pushes.delete(id);
  }

  /** Frees all IDs. */
  removeAll(): void {
    for (const id of this.#records.keys()) this.remove(id);
  }

  /** As {@link removeAll}, of a user who is no more: it is nobody's doing, and nobody is told. */
  forgetAll(): void {
    this.removeAll();
    this.#events.length = 0;
  }

  /**
   * Takes away what goes to `endpoint` under `id`, if anything still does.
   *
   * @returns whether anything did
   */
  removeEndpoint(id: string, endpoint: string): boolean {
    const { active, pending } = this.#records.get(id) ?? {};
    const leaves = (kept?: KeptSubscription): boolean =>
      kept !== undefined && goesTo(endpoint, kept);
    if (!leaves(active) && !leaves(pending)) return false;
    if (active && leaves(active)) this.#tell('removed', active);
    if (pending && leaves(pending)) this.#tell('abandoned', pending);
    this.#put(id, {
      active: leaves(active) ? undefined : active,
      pending: leaves(pending) ? undefined : pending,
    });
    return true;
  }

  /**
   * Undoes what another plan has {@link made} and was stored, because a validation push of it was
   * refused; but not what was validated, replaced or removed in the meantime. What comes back does not
   * count as one more.
   */
  takeBack(made: readonly RecordChange[]): void {
    for (const change of made) {
      const current = this.#records.get(change.id) ?? {};
      const { active, pending } = restoreRecord(current, change);
      if (active === current.active && pending === current.pending) continue;
      if (current.pending && pending !== current.pending) this.#tell('refused', current.pending);
      this.#usedBefore.add(change.id);
      const waits = pending && !isExpired(pending, this.#now);
      this.#put(change.id, { active, pending: waits ? pending : undefined });
    }
  }

  /** Adds delivery results to the subscriptions that still have the endpoint that they are about. */
  addHistory(buffered: readonly BufferedHistory[]): void {
    for (const { id, endpoint, history } of buffered) {
      const { active, pending } = this.#records.get(id) ?? {};
      const add = (kept?: KeptSubscription): KeptSubscription | undefined =>
        kept && goesTo(endpoint, kept)
          ? { ...kept, history: joinHistories(kept.history, history) }
          : kept;
      const record = { active: add(active), pending: add(pending) };
      if (record.active !== active || record.pending !== pending) this.#put(id, record);
    }
  }

  /**
   * The store changes that this plan comes to; none when it changes nothing.
   *
   * The limit is judged here, by the outcome: a transaction may store one subscription and remove
   * another in any order.
   *
   * @throws SubscriptionRefusedError `limit`
   */
  changes(): Change[] {
    const used = this.#usedIds();
    const adds = used.some((id) => !this.#usedBefore.has(id));
    if (adds && used.length > this.#rules.limit) throw refusals.limit(this.#rules.limit);
    return [...this.#touched].map((id): Change => {
      const key = subscriptionKey(id);
      const record = this.#records.get(id) ?? {};
      return isFree(record)
        ? { op: 'unset', key }
        : { op: 'set', key, value: encodeRecord(record) };
    });
  }

  /** What this plan comes to, for {@link takeBack}. */
  get made(): RecordChange[] {
    return [...this.#touched].map((id) => ({
      id,
      before: this.#before.get(id) ?? {},
      after: this.#records.get(id) ?? {},
    }));
  }

  /** By ID, as this plan would leave them. */
  get records(): ReadonlyMap<string, SubscriptionRecord> {
    return this.#records;
  }

  /** The validation pushes to send once the changes are stored. */
  get pushes(): ValidationPush[] {
    return [...this.#pushes.values()];
  }

  /** What happened, once the changes are stored. */
  get events(): readonly SubscriptionChange[] {
    return this.#events.map(({ change }) => change);
  }

  /** The same, with the endpoints that they are about. */
  get endpointEvents(): readonly { change: SubscriptionChange; endpoint: string }[] {
    return this.#events;
  }

  /** When the next subscription expires, in milliseconds since the epoch. */
  get nextExpiry(): number | undefined {
    const times = [...this.#records.values()].flatMap(({ pending }) => pending?.expiresAt ?? []);
    return times.length > 0 ? Math.min(...times) : undefined;
  }

  #usedIds(): string[] {
    return [...this.#records].filter(([, record]) => !isFree(record)).map(([id]) => id);
  }

  #tell(change: SubscriptionChange, { subscription }: KeptSubscription): void {
    this.#events.push({ change, endpoint: subscription.resource.endpoint });
  }

  #put(id: string, { active, pending }: LooseRecord): void {
    this.#records.set(id, { ...(active && { active }), ...(pending && { pending }) });
    this.#touched.add(id);
  }
}

const goesTo = (endpoint: string, { subscription }: KeptSubscription): boolean =>
  subscription.resource.endpoint === endpoint;

const isFree = ({ active, pending }: SubscriptionRecord): boolean => !active && !pending;

/** RFC 3339 in UTC, written as the specification's example writes it. */
const formatTime = (msecs: number): string => `${new Date(msecs).toISOString().slice(0, 19)}+00:00`;
