const LF = 0x0a;
/** Enough of an over-long line to see which command it was. */
const HEAD_OCTETS = 64;
/** Pieces that a line is kept in before some are joined. */
const MOST_PIECES = 64;

export interface LineReaderOptions {
  /** Octets that a line may have without its line feed, by its first one. */
  maxOctets: (first: number) => number;
  /** One line without its line feed: a view of the chunk that it came in, or a copy of its own. */
  onLine: (line: Buffer) => void;
  /** A longer line: its first octets, as soon as it is known to be too long. The rest is dropped. */
  onTooLong: (head: Buffer) => void;
}

/**
 * Cuts a stream of chunks into lines that end in LF. Chunks may break anywhere; no octet is looked
 * at twice, and no more than one line and one chunk is kept.
 *
 * An exception of a callback passes through {@link LineReader.push}; the reader is useless after it.
 */
export class LineReader {
  readonly #options: LineReaderOptions;
  /** The line so far, in the pieces that it came in. */
  #pieces: Buffer[] = [];
  #octets = 0;
  #dropping = false;
  #stopped = false;

  constructor(options: LineReaderOptions) {
    this.#options = options;
  }

  /** Octets that are kept of a line that has begun and not ended. */
  get kept(): number {
    return this.#octets;
  }

  /** Whether a line has begun and not ended. */
  get midLine(): boolean {
    return this.#octets > 0 || this.#dropping;
  }

  /** To be called by a callback whose line is the last one: what follows is something else. */
  stop(): void {
    this.#stopped = true;
  }

  /** Drops the line that has begun, as if it were too long. */
  drop(): void {
    this.#dropping = true;
    this.#options.onTooLong(this.#take().subarray(0, HEAD_OCTETS));
  }

  /**
   * @param most how many lines to cut, if not all
   * @returns the octets behind the last one, or behind that which {@link LineReader.stop} was called for
   */
  push(chunk: Buffer, most = Infinity): Buffer {
    let start = 0;
    for (let lines = 0; start < chunk.length && lines < most && !this.#stopped; lines += 1) {
      const end = chunk.indexOf(LF, start);
      if (end === -1) {
        this.#keep(chunk.subarray(start));
        start = chunk.length;
      } else {
        this.#finish(chunk.subarray(start, end));
        start = end + 1;
      }
    }
    return chunk.subarray(start);
  }

  #keep(piece: Buffer): void {
    if (this.#dropping) return;
    this.#pieces.push(piece);
    this.#octets += piece.length;
    // One octet at a time, they would take a hundred times what they hold.
    if (this.#pieces.length >= MOST_PIECES) this.#joinLast();
    if (this.#octets > this.#most(this.#pieces[0])) this.drop();
  }

  #finish(piece: Buffer): void {
    if (this.#dropping) {
      this.#dropping = false;
      return;
    }
    let line = piece;
    if (this.#octets > 0) {
      this.#pieces.push(piece);
      this.#octets += piece.length;
      line = this.#take();
    }
    if (line.length > this.#most(line)) {
      this.#options.onTooLong(line.subarray(0, HEAD_OCTETS));
    } else {
      this.#options.onLine(line);
    }
  }

  /**
   * Joins the last pieces, as far back as they are not much larger than what follows them: few are left,
   * and each octet is copied as often as its line doubles, not once for every sixty-four pieces.
   */
  #joinLast(): void {
    let octets = 0;
    let from = this.#pieces.length;
    do octets += this.#pieces[--from]?.length ?? 0;
    while ((this.#pieces[from - 1]?.length ?? Infinity) <= 2 * octets);
    const joined = this.#pieces.splice(from);
    this.#pieces.push(Buffer.concat(joined, octets));
  }

  #most(line: Buffer | undefined): number {
    return this.#options.maxOctets(line?.[0] ?? 0);
  }

  #take(): Buffer {
    const line = Buffer.concat(this.#pieces, this.#octets);
    this.#pieces = [];
    this.#octets = 0;
    return line;
  }
}
