/**
 * Lets one piece of work at a time run for each key, in the order of asking.
 *
 * Not reentrant: work that asks for its own key again waits for ever. It keeps order within this
 * process only; several sidecars over one Redis do not see each other's locks.
 */
export class KeyedMutex {
  readonly #last = new Map<string, Promise<undefined>>();

  /** Runs `work` once all earlier work for `key` is over, however that ended. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#last.set(key, promise);
    try {
      await before;
      return await work();
    } finally {
      if (this.#last.get(key) === promise) this.#last.delete(key);
      resolve(undefined);
    }
  }
}
