import { createHash } from 'node:crypto';
import type { DictBackend, IterateOptions } from '../../src/dict/dict-backend.ts';
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
  iterate(
    user: string,
    path: string,
    options: IterateOptions,
    maxRows: number,
  ): Promise<StoreEntry[]> {
    return this.#call('iterate', user, path, options, maxRows);
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
  readonly commits: { user: string; changes: readonly Change[] }[] = [];

  async lookup(user: string, key: string): Promise<Buffer | undefined> {
    return Promise.resolve(this.values.get(place(user, key)));
  }
  async iterate(user: string, path: string): Promise<StoreEntry[]> {
    const prefix = place(user, path);
    const found = [...this.values].filter(([key]) => key.startsWith(prefix));
    const rows = found.map(([key, value]) => ({
      key: key.slice(prefix.length - path.length),
      value,
    }));
    return Promise.resolve(rows);
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

const place = (user: string, key: string) => (key.startsWith('shared/') ? key : `${user}\0${key}`);

/** A value that follows from a name and holds every kind of octet. */
export const valueOf = (name: string) => createHash('sha512').update(name).digest();
