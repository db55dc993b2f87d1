export interface BudgetLimits {
  /**
   * Octets of the transactions of all connections, open or being committed, beyond what each of them may
   * have anyway.
   */
  octets: number;
  /** Octets that each connection may have, whatever the others have. */
  reservedOctets: number;
}

/** Of connections that hold little again, or are closed, so many are remembered. */
const MOST_OTHERS = 64;

/** What a connection holds, and how to take the oldest part of it away. */
export interface Holder {
  readonly octets: number;
  /** When the transaction that has rested longest was touched: a number of {@link TransactionBudget.tick}. */
  readonly oldest: number;
  dropOldest(): void;
}

/**
 * What the transactions of all connections may take together. Past it, the open one that has rested
 * longest is dropped, of those whose connections hold more than is reserved for each: Dovecot's own are
 * small and over within milliseconds, so that whoever fills the memory loses what he filled it with.
 *
 * Peers of a unix socket cannot be told apart by address, and Node.js does not tell their credentials; a
 * connection is the peer.
 */
export class TransactionBudget {
  readonly #limits: BudgetLimits;
  /** Those that hold more than is reserved for them. */
  readonly #large = new Set<Holder>();
  /** Those, and some that held so much; to look at all for each that is dropped would take far too long. */
  readonly #byRest = new RestHeap();
  #octets = 0;
  #ticks = 0;
  #committing = 0;
  readonly #waiting = new Set<() => void>();

  constructor(limits: BudgetLimits) {
    this.#limits = limits;
  }

  /** What the large holders have together. */
  get octets(): number {
    return this.#octets;
  }

  /** To be called when a commit begins, and with a negative number when it is over. */
  commit(octets: number): void {
    this.#committing += octets;
    if (octets > 0 || this.#waiting.size === 0 || this.#isFull) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const proceed of waiting) proceed();
  }

  /** Calls `proceed`, once, when a connection that must wait need not any more. */
  whenRoom(proceed: () => void): void {
    this.#waiting.add(proceed);
  }

  /** The connection is gone. */
  forget(proceed: () => void): void {
    this.#waiting.delete(proceed);
  }

  /**
   * Whether a connection should not be read for now: what is being committed cannot be dropped any more, so
   * it is given half of the room.
   *
   * @param held octets that it has, open or being committed
   */
  mustWait(held: number): boolean {
    return this.#isFull && held > this.#limits.reservedOctets;
  }

  get #isFull(): boolean {
    return this.#committing > this.#limits.octets / 2;
  }

  /** Numbers that grow, to tell older from newer. */
  tick(): number {
    return ++this.#ticks;
  }

  /** To be called after what `holder` has went from `before` octets to another number. */
  changed(holder: Holder, before: number): void {
    const { octets } = holder;
    if (this.#large.has(holder)) this.#octets -= before;
    if (octets > this.#limits.reservedOctets) {
      this.#large.add(holder);
      this.#byRest.add(holder);
      if (this.#byRest.size > 2 * this.#large.size + MOST_OTHERS) this.#byRest.keep(this.#large);
      this.#octets += octets;
    } else this.#large.delete(holder);
    while (this.#octets + this.#committing > this.#limits.octets) {
      const victim = this.#byRest.take();
      if (victim === undefined) return;
      if (!this.#large.has(victim)) continue;
      victim.dropOldest();
      if (this.#large.has(victim)) this.#byRest.add(victim);
    }
  }
}

/**
 * A binary heap of holders, each once. What was touched since it was put in its place is put right when it
 * comes to the top: a holder's oldest transaction only ever becomes a newer one.
 */
class RestHeap {
  readonly #heap: { holder: Holder; oldest: number }[] = [];
  readonly #inside = new Set<Holder>();

  get size(): number {
    return this.#heap.length;
  }

  /** Forgets all others: connections that are closed. */
  keep(holders: ReadonlySet<Holder>): void {
    this.#heap.length = 0;
    this.#inside.clear();
    for (const holder of holders) this.add(holder);
  }

  add(holder: Holder): void {
    if (this.#inside.has(holder)) return;
    this.#inside.add(holder);
    let at = this.#heap.push({ holder, oldest: holder.oldest }) - 1;
    for (let parent = (at - 1) >> 1; at > 0 && this.#isBefore(at, parent); parent = (at - 1) >> 1) {
      this.#swap(at, parent);
      at = parent;
    }
  }

  /** Takes out the one that has rested longest. */
  take(): Holder | undefined {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      const { oldest } = top.holder;
      if (oldest !== top.oldest && oldest !== Infinity) {
        top.oldest = oldest;
        this.#sink();
        continue;
      }
      this.#removeTop();
      this.#inside.delete(top.holder);
      if (oldest !== Infinity) return top.holder;
    }
    return undefined;
  }

  #removeTop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink();
  }

  #sink(): void {
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= this.#heap.length) return;
      const first =
        left + 1 < this.#heap.length && this.#isBefore(left + 1, left) ? left + 1 : left;
      if (!this.#isBefore(first, at)) return;
      this.#swap(first, at);
      at = first;
    }
  }

  #isBefore(one: number, other: number): boolean {
    return (this.#heap[one]?.oldest ?? Infinity) < (this.#heap[other]?.oldest ?? Infinity);
  }

  #swap(one: number, other: number): void {
    const held = this.#heap[one];
    const its = this.#heap[other];
    if (held === undefined || its === undefined) return;
    this.#heap[one] = its;
    this.#heap[other] = held;
  }
}
