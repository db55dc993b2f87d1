/** A connection whose requests wait to be looked at. */
export interface Waiting {
  /** Whether a request could be looked at now. */
  readonly ready: boolean;
  /**
   * Looks at requests; one that cannot by then asks again when it can. Never throws.
   *
   * @param most how many
   * @returns how many it were
   */
  take(most: number): number;
}

/** Requests that are looked at as they come in one round of the event loop: all of most chunks. */
const REQUESTS_ALONE = 512;
/**
 * Requests in one round when several connections have some: a millisecond or two. In each round one
 * connection is accepted.
 */
const REQUESTS_A_ROUND = 64;
/** Requests of one connection before it is the turn of the next one. */
const REQUESTS_A_TURN = 16;
/** Requests of a connection that had none waiting, before it is the turn of the next one. */
const REQUESTS_A_FIRST_TURN = 4;

/**
 * Has all connections look at their requests in turn, some in each round of the event loop, so that nobody's
 * flood stands in front of somebody else's request, or of other work.
 *
 * Who had nothing waiting comes before all who had; with nobody waiting, requests are looked at as they come.
 */
export class InputTurns {
  readonly #new = new Set<Waiting>();
  readonly #old = new Set<Waiting>();
  /** In this round, or some before it: few are not worth a callback to forget them. */
  #taken = 0;
  #taking = false;
  #isScheduled = false;

  /** What `connection` has waiting is to be looked at, now or when it is its turn. */
  ask(connection: Waiting, { isNew }: { isNew: boolean }): void {
    if (this.#new.has(connection) || this.#old.has(connection)) return;
    const isAlone = !this.#taking && this.#new.size === 0 && this.#old.size === 0;
    if (isAlone && this.#taken < REQUESTS_ALONE) {
      this.#take(connection, REQUESTS_ALONE - this.#taken);
    } else {
      (isNew ? this.#new : this.#old).add(connection);
    }
    if (this.#taken >= REQUESTS_A_ROUND || this.#new.size + this.#old.size > 0) this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#beginRound());
  }

  #beginRound(): void {
    this.#isScheduled = false;
    this.#taken = 0;
    while (this.#taken < REQUESTS_A_ROUND) {
      const isNew = this.#new.size > 0;
      const queue = isNew ? this.#new : this.#old;
      const [connection] = queue;
      if (connection === undefined) return;
      queue.delete(connection);
      this.#take(connection, isNew ? REQUESTS_A_FIRST_TURN : REQUESTS_A_TURN);
    }
    this.#schedule();
  }

  #take(connection: Waiting, most: number): void {
    this.#taking = true;
    try {
      // A turn in which nothing is found takes time as well.
      this.#taken += Math.max(1, connection.take(most));
    } finally {
      this.#taking = false;
    }
    if (connection.ready) this.#old.add(connection);
  }
}
