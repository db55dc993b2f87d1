import { joinHistories, type DeliveryHistory } from './delivery-history.ts';

/** Delivery results that are not in the store yet. */
export interface BufferedHistory {
  id: string;
  endpoint: string;
  history: DeliveryHistory;
}

/**
 * Gathers delivery results in memory, so that a push does not cost a write to disk of its own.
 *
 * At most one entry per subscription and endpoint, however many pushes there were.
 */
export class HistoryBuffer {
  readonly #users = new Map<string, Map<string, BufferedHistory>>();
  #size = 0;

  add(user: string, { id, endpoint, history }: BufferedHistory): void {
    const entries = this.#users.get(user) ?? new Map<string, BufferedHistory>();
    this.#users.set(user, entries);
    const key = `${id}\n${endpoint}`;
    const before = entries.get(key);
    entries.set(key, {
      id,
      endpoint,
      history: before ? joinHistories(before.history, history) : history,
    });
    if (!before) this.#size += 1;
  }

  /** Takes a user's results out. */
  take(user: string): BufferedHistory[] {
    const taken = this.peek(user);
    this.#users.delete(user);
    this.#size -= taken.length;
    return taken;
  }

  /** Puts back what could not be stored, before what came since. */
  putBack(user: string, taken: readonly BufferedHistory[]): void {
    const since = this.take(user);
    for (const entry of [...taken, ...since]) this.add(user, entry);
  }

  peek(user: string): BufferedHistory[] {
    return [...(this.#users.get(user)?.values() ?? [])];
  }

  users(): string[] {
    return [...this.#users.keys()];
  }

  /** How many subscriptions have results here. */
  get size(): number {
    return this.#size;
  }
}
