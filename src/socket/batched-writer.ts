import type { Socket } from 'node:net';

/**
 * Gathers what is to be written until the work in hand is done, microtasks included, and then writes
 * it at once: the answers to all commands of one chunk cost one system call. While the peer does not
 * read, nothing more is read from it; resuming on `drain` is left to the owner.
 */
export class BatchedWriter {
  readonly #socket: Socket;
  #octets: Buffer[] = [];
  #scheduled = false;
  #ending = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  write(octets: Buffer): void {
    this.#octets.push(octets);
    this.#schedule();
  }

  /** Closes the socket behind everything that is written before the work in hand is done. */
  end(): void {
    this.#ending = true;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    const [first] = this.#octets;
    if (first && this.#socket.writable) {
      const octets = this.#octets.length === 1 ? first : Buffer.concat(this.#octets);
      if (!this.#socket.write(octets)) this.#socket.pause();
    }
    this.#octets = [];
    if (this.#ending) this.#socket.destroySoon();
  }
}
