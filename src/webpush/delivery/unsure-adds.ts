import type { NewPush, OutboxStore, OwedPush } from '../../stores/outbox-store.ts';

const PAGE = 500;

/**
 * Adds pushes, and finds again what failed adds may have left: one whose end nobody saw (the store's
 * thread died between the commit and its answer) has taken place, perhaps, and is no news to the store
 * when its event is repeated. It would wait for the next start.
 */
export class UnsureAdds {
  readonly #store: OutboxStore;
  #lastId = 0;
  /** What a failed add left has a higher id; undefined when there is nothing to find. */
  #after: number | undefined;

  constructor(store: OutboxStore) {
    this.#store = store;
  }

  /** @throws UnavailableError {@link OutboxStore.add}, or nobody knows */
  async add(pushes: readonly NewPush[]): Promise<OwedPush[]> {
    const before = this.#lastId;
    try {
      return await this.#store.add(pushes);
    } catch (error) {
      this.#doubt(before);
      throw error;
    }
  }

  /** Ids only grow: what is added from now on has a higher one. */
  saw(id: number): void {
    this.#lastId = Math.max(this.#lastId, id);
  }

  /** What failed adds may have left, with what came since; nothing unless there were any. */
  async *find(): AsyncGenerator<OwedPush> {
    let after = this.#after;
    this.#after = undefined;
    while (after !== undefined) {
      const page: OwedPush[] = await this.#page(after);
      yield* page;
      after = page.at(-1)?.id;
    }
  }

  /** Before the next add is as good a time as now. */
  async #page(after: number): Promise<OwedPush[]> {
    try {
      return await this.#store.page(after, PAGE);
    } catch {
      this.#doubt(after);
      return [];
    }
  }

  #doubt(after: number): void {
    this.#after = Math.min(this.#after ?? after, after);
  }
}
