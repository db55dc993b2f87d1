import { KeyedMutex } from '../keyed-mutex.ts';

/** `thorough` if anyone who shares the turn asked for that. */
export type SharedWork = (key: string, thorough: boolean) => Promise<void>;

/**
 * One piece of work at a time for each key, and one that waits: whoever asks meanwhile shares that one,
 * which begins after they asked and so does for all of them. However fast they come, there is no queue.
 */
export class SharedTurns {
  readonly #work: SharedWork;
  readonly #turns = new KeyedMutex();
  readonly #waiting = new Map<string, Turn>();

  constructor(work: SharedWork) {
    this.#work = work;
  }

  /** Resolves, or rejects, as the work does that begins next. */
  ask(key: string, thorough: boolean): Promise<void> {
    const turn = this.#waiting.get(key) ?? this.#begin(key);
    turn.thorough ||= thorough;
    return turn.over;
  }

  #begin(key: string): Turn {
    const over = this.#turns.run(key, () => {
      this.#waiting.delete(key);
      return this.#work(key, turn.thorough);
    });
    const turn: Turn = { thorough: false, over };
    this.#waiting.set(key, turn);
    return turn;
  }
}

interface Turn {
  thorough: boolean;
  over: Promise<void>;
}
