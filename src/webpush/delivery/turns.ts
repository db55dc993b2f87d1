/** Lines of waiting things, one line a key, served in turn: who brings many waits behind his own. */
export class Turns<Key, Value> {
  /** A Map keeps the order of insertion: the first key is the one whose turn it is. */
  readonly #lines = new Map<Key, Value[]>();

  add(key: Key, value: Value): void {
    const line = this.#lines.get(key);
    if (line) line.push(value);
    else this.#lines.set(key, [value]);
  }

  /**
   * Takes the first of the line whose turn it is; that line is then the last to have its turn.
   *
   * @param mayGo others are passed over, and keep their turn
   */
  take(mayGo: (key: Key) => boolean): Value | undefined {
    for (const [key, line] of this.#lines) {
      if (!mayGo(key)) continue;
      this.#lines.delete(key);
      const value = line.shift();
      if (line.length > 0) this.#lines.set(key, line);
      return value;
    }
    return undefined;
  }
}
