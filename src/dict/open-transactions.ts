import type { Change } from '../stores/store.ts';
import { DictProtocolError } from './dict-protocol-error.ts';
import type { Text } from './parse-request.ts';

export interface Transaction {
  user: Text;
  changes: Change[];
  /** Of keys and values together. */
  octets: number;
  /** Why it cannot be committed. */
  problem: string | undefined;
}

export interface TransactionLimits {
  open: number;
  octets: number;
}

/**
 * The transactions of one connection that were begun and not ended. Dovecot counts their ids from 1
 * on each connection, so that they mean nothing beyond it; when it closes they are gone.
 *
 * Nothing but a commit has a reply: what is wrong with a change is kept until then.
 */
export class OpenTransactions {
  readonly #limits: TransactionLimits;
  readonly #byId = new Map<number, Transaction>();

  constructor(limits: TransactionLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** @throws DictProtocolError the id is taken, or there are too many */
  begin(id: number, user: Text, problem?: string): void {
    if (this.#byId.has(id)) throw new DictProtocolError(`transaction ${id} begun twice`);
    if (this.#byId.size >= this.#limits.open) throw new DictProtocolError('too many transactions');
    this.#byId.set(id, { user, changes: [], octets: 0, problem });
  }

  /** Adds a change. One for an unknown transaction is dropped: its commit will fail. */
  add(id: number, change: Change): void {
    const transaction = this.#byId.get(id);
    if (!transaction || transaction.problem !== undefined) return;
    transaction.octets += Buffer.byteLength(change.key);
    if (change.op === 'set') transaction.octets += change.value.length;
    if (transaction.octets > this.#limits.octets) {
      this.fail(id, `the transaction is larger than ${this.#limits.octets} octets`);
    } else {
      transaction.changes.push(change);
    }
  }

  fail(id: number, problem: string): void {
    const transaction = this.#byId.get(id);
    if (!transaction) return;
    transaction.problem ??= problem;
    transaction.changes = [];
  }

  /** Takes a transaction out, to be committed or forgotten. */
  end(id: number): Transaction | undefined {
    const transaction = this.#byId.get(id);
    this.#byId.delete(id);
    return transaction;
  }

  clear(): void {
    this.#byId.clear();
  }
}
