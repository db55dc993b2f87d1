import { KeyedMutex } from '../keyed-mutex.ts';
import { withDeadline } from '../stores/with-deadline.ts';

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
  readonly #underWay = new Set<Promise<void>>();
  #stopped = false;

  constructor(work: SharedWork) {
    this.#work = work;
  }

  /** Resolves, or rejects, as the work does that begins next; once stopped, none does. */
  ask(key: string, thorough: boolean): Promise<void> {
    const turn = this.#waiting.get(key) ?? this.#begin(key);
    turn.thorough ||= thorough;
    return turn.over;
  }

  /** Begins nothing more, and waits for what is under way. */
  async stop(deadlineMsecs: number): Promise<void> {
    this.#stopped = true;
    const over = Promise.allSettled(this.#underWay);
    await withDeadline(over, deadlineMsecs, 'it takes too long').catch(() => undefined);
  }

  #begin(key: string): Turn {
    const over = this.#turns.run(key, async () => {
      this.#waiting.delete(key);
      if (this.#stopped) return;
      const work = this.#work(key, turn.thorough);
      this.#underWay.add(work);
      await work.finally(() => this.#underWay.delete(work));
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
