import { createHash } from 'node:crypto';
import type { DictBackend, IterateOptions } from '../../src/dict/dict-backend.ts';
import { TransactionBudget } from '../../src/dict/transaction-budget.ts';
import { SOCKET_LIMITS } from '../../src/socket/socket-limits.ts';
import type { Change, CommitResult, StoreEntry } from '../../src/stores/store.ts';

/** A call that waits for the test to end it. */
export interface Call {
  name: 'lookup' | 'iterate' | 'commit';
  user: string;
  args: unknown[];
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** Leaves every answer, and their order, to the test. */
export class ManualBackend implements DictBackend {
  readonly calls: Call[] = [];

  lookup(user: string, key: string): Promise<Buffer | undefined> {
    return this.#call('lookup', user, key);
  }
  async *iterate(
    user: string,
    path: string,
    options: IterateOptions,
  ): AsyncIterable<readonly StoreEntry[]> {
    yield await this.#call<StoreEntry[]>('iterate', user, path, options);
  }
  commit(user: string, changes: readonly Change[]): Promise<CommitResult> {
    return this.#call('commit', user, changes);
  }

  #call<T>(name: Call['name'], user: string, ...args: unknown[]): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.calls.push({ name, user, args, resolve, reject });
    return promise;
  }
}

/** Answers at once from a map; `shared/` keys are everybody's. */
export class MapBackend implements DictBackend {
  readonly values = new Map<string, Buffer>();
  /** Of an iteration. */
  pageRows = Infinity;
  readonly commits: { user: string; changes: readonly Change[] }[] = [];

  async lookup(user: string, key: string): Promise<Buffer | undefined> {
    return Promise.resolve(this.values.get(place(user, key)));
  }
  // eslint-disable-next-line @typescript-eslint/require-await -- an asynchronous generator
  async *iterate(user: string, path: string): AsyncIterable<readonly StoreEntry[]> {
    const prefix = place(user, path);
    const found = [...this.values].filter(([key]) => key.startsWith(prefix));
    const rows = found.map(([key, value]) => ({
      key: key.slice(prefix.length - path.length),
      value,
    }));
    for (let at = 0; at < rows.length; at += this.pageRows) {
      yield rows.slice(at, at + this.pageRows);
    }
  }
  async commit(user: string, changes: readonly Change[]): Promise<CommitResult> {
    this.commits.push({ user, changes });
    for (const change of changes) {
      const key = place(user, change.key);
      if (change.op === 'set') this.values.set(key, change.value);
      else if (change.op === 'unset') this.values.delete(key);
      else if (!this.values.has(key)) return Promise.resolve('missing');
    }
    return Promise.resolve('committed');
  }
}

/** As the server has it. */
export const newBudget = (octets: number = SOCKET_LIMITS.dictAllOctets): TransactionBudget =>
  new TransactionBudget({ octets, reservedOctets: SOCKET_LIMITS.dictReservedOctets });

const place = (user: string, key: string) => (key.startsWith('shared/') ? key : `${user}\0${key}`);

/** A value that follows from a name and holds every kind of octet. */
export const valueOf = (name: string) => createHash('sha512').update(name).digest();
