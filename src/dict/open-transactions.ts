import type { Change } from '../stores/store.ts';
import { DictProtocolError } from './dict-protocol-error.ts';
import type { Text } from './parse-request.ts';
import type { Holder, TransactionBudget } from './transaction-budget.ts';

export interface Transaction {
  user: Text;
  changes: Change[];
  /** Of keys and values together. */
  content: number;
  /** The same, and what it takes to keep them. */
  octets: number;
  /** Why it cannot be committed. */
  problem: string | undefined;
}

export interface TransactionLimits {
  open: number;
  /** Of one transaction. */
  octets: number;
  /** Of all that are open on the connection. */
  allOctets: number;
}

interface Kept extends Transaction {
  /** See {@link TransactionBudget.tick}. */
  touched: number;
}

/** What a transaction and a change take in memory besides what they hold; a cautious guess. */
const TRANSACTION_OVERHEAD = 256;
const CHANGE_OVERHEAD = 256;

/**
 * The transactions of one connection that were begun and not ended. Dovecot counts their ids from 1
 * on each connection, so that they mean nothing beyond it; when it closes they are gone.
 *
 * Nothing but a commit has a reply: what is wrong with a change is kept until then. Where there are too
 * many, or they are too large, those that have rested longest are dropped, and their commits fail.
 */
export class OpenTransactions implements Holder {
  readonly #limits: TransactionLimits;
  readonly #budget: TransactionBudget;
  /** In the order in which they were touched last. */
  readonly #byId = new Map<number, Kept>();
  #octets = 0;

  constructor(limits: TransactionLimits, budget: TransactionBudget) {
    this.#limits = limits;
    this.#budget = budget;
  }

  get size(): number {
    return this.#byId.size;
  }

  get octets(): number {
    return this.#octets;
  }

  get oldest(): number {
    for (const { touched } of this.#byId.values()) return touched;
    return Infinity;
  }

  /** @throws DictProtocolError the id is taken */
  begin(id: number, user: Text, problem?: string): void {
    if (this.#byId.has(id)) throw new DictProtocolError(`transaction ${id} begun twice`);
    if (this.#byId.size >= this.#limits.open) this.dropOldest();
    const touched = this.#budget.tick();
    this.#byId.set(id, { user, changes: [], content: 0, octets: 0, problem, touched });
    this.#grow(id, TRANSACTION_OVERHEAD + (user?.length ?? 0));
  }

  /** Adds a change. One for an unknown transaction is dropped: its commit will fail. */
  add(id: number, change: Change): void {
    const transaction = this.#byId.get(id);
    if (!transaction || transaction.problem !== undefined) return;
    const value = change.op === 'set' ? change.value.length : 0;
    const octets = Buffer.byteLength(change.key) + value;
    transaction.content += octets;
    if (transaction.content > this.#limits.octets) {
      this.fail(id, `the transaction is larger than ${this.#limits.octets} octets`);
      return;
    }
    if (change.op === 'set') change.value = trim(change.value);
    transaction.changes.push(change);
    transaction.touched = this.#budget.tick();
    if (this.#byId.size > 1) {
      this.#byId.delete(id);
      this.#byId.set(id, transaction);
    }
    this.#grow(id, octets + CHANGE_OVERHEAD);
  }

  fail(id: number, problem: string): void {
    const transaction = this.#byId.get(id);
    if (!transaction) return;
    transaction.problem ??= problem;
    transaction.changes = [];
    this.#grow(id, TRANSACTION_OVERHEAD - transaction.octets);
  }

  /** Takes a transaction out, to be committed or forgotten. */
  end(id: number): Transaction | undefined {
    const transaction = this.#byId.get(id);
    if (transaction) {
      this.#byId.delete(id);
      this.#count(-transaction.octets);
    }
    return transaction;
  }

  /** The commit of what is dropped fails as that of a transaction that was never begun. */
  dropOldest(): void {
    for (const id of this.#byId.keys()) {
      this.end(id);
      return;
    }
  }

  clear(): void {
    this.#byId.clear();
    this.#count(-this.#octets);
  }

  #grow(id: number, octets: number): void {
    const transaction = this.#byId.get(id);
    if (transaction) transaction.octets += octets;
    this.#count(octets);
    while (this.#octets > this.#limits.allOctets && this.#byId.size > 1) this.dropOldest();
  }

  #count(octets: number): void {
    const before = this.#octets;
    this.#octets += octets;
    this.#budget.changed(this, before);
  }
}

/**
 * As it comes, a value is a window on all that the peer sent with it: a copy of its own where that is more
 * than {@link CHANGE_OVERHEAD} counts.
 */
function trim(value: Buffer): Buffer {
  if (value.buffer.byteLength - value.length <= CHANGE_OVERHEAD) return value;
  const own = Buffer.allocUnsafeSlow(value.length);
  value.copy(own);
  return own;
}
