import { UnavailableError } from '../../src/errors.ts';
import {
  AnnotationLimitError,
  exceeds,
  limitOf,
  limitsOf,
  NO_LIMITS,
  scopeOf,
  type AnnotationLimits,
  type Usage,
} from '../../src/stores/annotation-limits.ts';
import { addToDecimal } from '../../src/stores/add-to-decimal.ts';
import { checkCommit } from '../../src/stores/check-commit.ts';
import { OvertakenError } from '../../src/stores/overtaken-error.ts';
import {
  NO_VALUE,
  PAGE_ENTRIES,
  type Change,
  type CommitResult,
  type Expectation,
  type PageOptions,
  type Store,
  type StoreEntry,
} from '../../src/stores/store.ts';

/** A store that forgets everything with the process: for tests and trials. */
export class MemoryStore implements Store {
  readonly kind = 'memory';
  readonly #users = new Map<string, Map<string, Buffer>>();
  readonly #limits: AnnotationLimits;
  #closed = false;

  constructor(limits: AnnotationLimits = NO_LIMITS) {
    this.#limits = limits;
  }

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

  async *pages(
    user: string,
    prefix: string,
    { keysOnly = false }: PageOptions = {},
  ): AsyncIterable<StoreEntry[]> {
    const all = await this.list(user, prefix);
    for (let at = 0; at < all.length; at += PAGE_ENTRIES) {
      const page = all.slice(at, at + PAGE_ENTRIES);
      yield keysOnly ? page.map(({ key }) => ({ key, value: NO_VALUE })) : page;
    }
  }

  usage(user: string, scope: string): Promise<Usage> {
    return this.#attempt(() => count(this.#users.get(user) ?? new Map(), scope));
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
      const limits = limitsOf(this.#limits, changes);
      for (const scope of new Set(changes.map(({ key }) => scopeOf(key)))) {
        if (scope === undefined) continue;
        const before = count(this.#users.get(user) ?? new Map(), scope);
        const after = count(entries, scope);
        const grown = {
          entries: after.entries - before.entries,
          octets: after.octets - before.octets,
        };
        if (exceeds(grown, after, limitOf(limits, scope)))
          throw new AnnotationLimitError(user, { scope, after }, limits);
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

function count(entries: ReadonlyMap<string, Buffer>, scope: string): Usage {
  const usage = { entries: 0, octets: 0 };
  for (const [key, value] of entries) {
    if (scopeOf(key) !== scope) continue;
    usage.entries += 1;
    usage.octets += Buffer.byteLength(key) + value.length;
  }
  return usage;
}

const isSame = (one: Buffer | undefined, other: Buffer | undefined): boolean =>
  one === undefined || other === undefined ? one === other : one.equals(other);
