export interface BudgetLimits {
  /** Octets of all transactions that are open anywhere, beyond what each connection may have anyway. */
  octets: number;
  /** Octets that each connection may have, whatever the others have. */
  reservedOctets: number;
}

/** What a connection holds, and how to take the oldest part of it away. */
export interface Holder {
  readonly octets: number;
  /** When the transaction that has rested longest was touched: a number of {@link TransactionBudget.tick}. */
  readonly oldest: number;
  dropOldest(): void;
}

/**
 * What the open transactions of all connections may take together. Past it, the one that has rested
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
  #octets = 0;
  #ticks = 0;
  #committing = 0;

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
  }

  /**
   * Whether a connection should not be read for now: what is being committed cannot be dropped any more.
   *
   * @param committing octets that it is committing
   */
  mustWait(committing: number): boolean {
    const { octets, reservedOctets } = this.#limits;
    return this.#committing > octets && committing > reservedOctets;
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
      this.#octets += octets;
    } else this.#large.delete(holder);
    while (this.#octets > this.#limits.octets) {
      const victim = this.#longestRested();
      if (victim === undefined) return;
      victim.dropOldest();
    }
  }

  #longestRested(): Holder | undefined {
    let found: Holder | undefined;
    for (const holder of this.#large) {
      if (found === undefined || holder.oldest < found.oldest) found = holder;
    }
    return found;
  }
}
