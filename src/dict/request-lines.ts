import { LineReader } from '../socket/line-reader.ts';
import { SOCKET_LIMITS } from '../socket/socket-limits.ts';
import type { Holder, TransactionBudget } from './transaction-budget.ts';

const SET = 'S'.charCodeAt(0);
const { dictLineOctets, dictSetOctets } = SOCKET_LIMITS;

export interface RequestLinesOptions {
  /** What the unfinished lines of all connections share with their transactions. */
  budget: TransactionBudget;
  /** @throws DictProtocolError the line is none that Dovecot would send */
  onLine: (line: Buffer) => void;
  /**
   * A line that is not read to its end: its first octets, and why.
   *
   * @throws DictProtocolError there is no way to answer it
   */
  onRefused: (head: Buffer, problem: string) => void;
}

/**
 * The lines that one connection sends. A line may be as long as the largest annotation makes it; what
 * has come of those that have not ended counts like a transaction, and is dropped like one.
 */
export class RequestLines implements Holder {
  readonly #reader: LineReader;
  readonly #budget: TransactionBudget;
  #octets = 0;
  #oldest = Infinity;
  /** Why a line is refused, if not for its length. */
  #reason: string | undefined;
  /** What went wrong while another connection was read. */
  #failure: Error | undefined;

  constructor({ budget, onLine, onRefused }: RequestLinesOptions) {
    this.#budget = budget;
    this.#reader = new LineReader({
      maxOctets: longestLine,
      onLine: (line) => {
        this.#count(0); // or what it sets would count twice
        onLine(line);
      },
      onTooLong: (head) => {
        const most = longestLine(head[0] ?? 0);
        onRefused(head, this.#reason ?? `longer than ${most} octets in a request`);
      },
    });
  }

  get midLine(): boolean {
    return this.#reader.midLine;
  }

  get octets(): number {
    return this.#octets;
  }

  get oldest(): number {
    return this.#oldest;
  }

  /**
   * @param most how many lines to cut
   * @returns the octets behind the last one
   * @throws DictProtocolError what the callbacks throw; the connection has to end
   */
  push(chunk: Buffer, most: number): Buffer {
    if (this.#failure !== undefined) throw this.#failure;
    const rest = this.#reader.push(chunk, most);
    this.#count(this.#reader.kept);
    return rest;
  }

  dropOldest(): void {
    this.#count(0); // first: what follows counts, too, and would drop the next one
    this.#reason = 'dropped because too much was open; try again';
    try {
      this.#reader.drop();
    } catch (error) {
      this.#failure = error as Error;
    } finally {
      this.#reason = undefined;
    }
  }

  /** Nothing more comes: what has begun is forgotten. */
  close(): void {
    this.#count(0);
  }

  #count(octets: number): void {
    if (octets === this.#octets) return;
    const before = this.#octets;
    this.#octets = octets;
    this.#oldest = octets === 0 ? Infinity : this.#budget.tick();
    this.#budget.changed(this, before);
  }
}

const longestLine = (first: number): number => (first === SET ? dictSetOctets : dictLineOctets);
