import { systemClock, type Clock } from '../../src/clock.ts';
import type {
  NewPush,
  OutboxStore,
  OutboxStoreOptions,
  OwedPush,
  Postponement,
} from '../../src/stores/outbox-store.ts';

/** An outbox that a crash empties: for tests and for trying things out. */
export class MemoryOutboxStore implements OutboxStore {
  readonly #options: OutboxStoreOptions;
  readonly #clock: Clock;
  /** By id, in the order of the ids. */
  readonly #owed = new Map<number, OwedPush>();
  /** Dedupe keys: zero while the push is owed, else when it was settled. */
  readonly #keys = new Map<string, number>();
  #lastId = 0;

  constructor(
    options: OutboxStoreOptions = { rememberMsecs: 3_600_000 },
    clock: Clock = systemClock,
  ) {
    this.#options = options;
    this.#clock = clock;
  }

  add(pushes: readonly NewPush[]): Promise<OwedPush[]> {
    return Promise.resolve(pushes.flatMap((push) => this.#add(push) ?? []));
  }

  settle(ids: readonly number[]): Promise<void> {
    for (const id of ids) {
      const push = this.#owed.get(id);
      if (push) this.#keys.set(push.dedupeKey, this.#clock.now());
      this.#owed.delete(id);
    }
    return Promise.resolve();
  }

  postpone(id: number, attempt: Postponement): Promise<void> {
    const push = this.#owed.get(id);
    if (push) this.#owed.set(id, { ...push, ...attempt });
    return Promise.resolve();
  }

  page(afterId: number, limit: number): Promise<OwedPush[]> {
    const page: OwedPush[] = [];
    for (const push of this.#owed.values()) {
      if (page.length >= limit) break;
      if (push.id > afterId) page.push(push);
    }
    return Promise.resolve(page);
  }

  forgetUser(user: string): Promise<number[]> {
    const forgotten = [...this.#owed.values()].filter((push) => push.user === user);
    for (const { id, dedupeKey } of forgotten) {
      this.#owed.delete(id);
      this.#keys.delete(dedupeKey);
    }
    return Promise.resolve(forgotten.map(({ id }) => id));
  }

  check(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #add(push: NewPush): OwedPush | undefined {
    const settledAt = this.#keys.get(push.dedupeKey);
    const forgetBefore = this.#clock.now() - this.#options.rememberMsecs;
    if (settledAt === 0 || (settledAt !== undefined && settledAt > forgetBefore)) return undefined;
    this.#keys.set(push.dedupeKey, 0);
    this.#lastId += 1;
    const owed = { ...push, id: this.#lastId, attempts: 0, unanswered: 0, nextAttemptAt: 0 };
    this.#owed.set(owed.id, owed);
    return owed;
  }
}
