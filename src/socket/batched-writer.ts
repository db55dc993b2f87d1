import type { Socket } from 'node:net';

/** Octets that are gathered before the work in hand has to wait. */
const FULL_OCTETS = 262_144;

/**
 * Gathers what is to be written until the work in hand is done, microtasks included, and then writes
 * it at once: the answers to all commands of one chunk cost one system call. While the peer does not
 * read, nothing more is read from it; resuming on `drain` is left to the owner.
 */
export class BatchedWriter {
  readonly #socket: Socket;
  #octets: Buffer[] = [];
  #waitingOctets = 0;
  #scheduled = false;
  #ending = false;
  #waiting: (() => void)[] = [];

  constructor(socket: Socket) {
    this.#socket = socket;
    for (const event of ['drain', 'close']) socket.on(event, () => this.#release());
  }

  /** Resolves when the peer has read most of what was written, or is gone. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#schedule();
    });
  }

  /** Whether enough waits to be read by the peer that more should not be asked for. */
  get isFull(): boolean {
    return this.#waitingOctets >= FULL_OCTETS || this.#socket.writableNeedDrain;
  }

  write(octets: Buffer): void {
    this.#octets.push(octets);
    this.#waitingOctets += octets.length;
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
    this.#waitingOctets = 0;
    if (!this.#socket.writableNeedDrain) this.#release();
    if (this.#ending) this.#socket.destroySoon();
  }

  #release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
