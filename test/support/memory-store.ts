import { UnavailableError } from '../../src/errors.ts';
import { addToDecimal } from '../../src/stores/add-to-decimal.ts';
import { checkCommit } from '../../src/stores/check-commit.ts';
import { OvertakenError } from '../../src/stores/overtaken-error.ts';
import type {
  Change,
  CommitResult,
  Expectation,
  Store,
  StoreEntry,
} from '../../src/stores/store.ts';

/** A store that forgets everything with the process: for tests and trials. */
export class MemoryStore implements Store {
  readonly kind = 'memory';
  readonly #users = new Map<string, Map<string, Buffer>>();
  #closed = false;

  get(user: string, key: string): Promise<Buffer | undefined> {
    return this.#attempt(() => {
      const value = this.#users.get(user)?.get(key);
      return value && Buffer.from(value);
    });
  }

  list(user: string, prefix: string): Promise<StoreEntry[]> {
    return this.#attempt(() =>
      [...(this.#users.get(user) ?? [])]
        .filter(([key]) => key.startsWith(prefix))
        .map(([key, value]) => ({ key, value: Buffer.from(value) }))
        .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key))),
    );
  }

  commit(user: string, changes: readonly (Change | Expectation)[]): Promise<CommitResult> {
    return this.#attempt(() => {
      checkCommit(user, changes);
      const entries = new Map(this.#users.get(user));
      for (const change of changes) {
        if (change.op === 'expect' && !isSame(entries.get(change.key), change.value)) {
          throw new OvertakenError();
        }
      }
      for (const change of changes) {
        if (change.op !== 'expect' && !apply(entries, change)) return 'missing';
      }
      if (entries.size > 0) this.#users.set(user, entries);
      else this.#users.delete(user);
      return 'committed';
    });
  }

  async *users(): AsyncIterable<string> {
    yield* await this.#attempt(() => [...this.#users.keys()]);
  }

  scrub(): Promise<void> {
    return this.#attempt(() => undefined);
  }

  check(): Promise<void> {
    return this.#attempt(() => undefined);
  }

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  #attempt<T>(work: () => T): Promise<T> {
    return new Promise((resolve) => {
      if (this.#closed) throw new UnavailableError('the memory store is closed');
      resolve(work());
    });
  }
}

/** @returns whether the change could be made; only an increment of a missing key cannot */
function apply(entries: Map<string, Buffer>, change: Change): boolean {
  switch (change.op) {
    case 'set':
      entries.set(change.key, Buffer.from(change.value));
      return true;
    case 'unset':
      entries.delete(change.key);
      return true;
    case 'increment': {
      const value = entries.get(change.key);
      if (value === undefined) return false;
      entries.set(change.key, addToDecimal(value, change.by));
      return true;
    }
  }
}

const isSame = (one: Buffer | undefined, other: Buffer | undefined): boolean =>
  one === undefined || other === undefined ? one === other : one.equals(other);
