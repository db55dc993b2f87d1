import { constants, type BigIntStats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

/** A line as long as the longest body that the HTTP service takes; longer ones are skipped. */
export const LONGEST_LINE = 4 * 1_048_576;
/** Octets that are read at a time. */
export const PART_OCTETS = 524_288;
/** Octets in which the end of a line that is too long is looked for at a time, and in one turn. */
const SKIP_OCTETS = 1_048_576;
const SKIPS_A_TURN = 32;
const NEWLINE = 10;
/** Neither does a pipe hold us up, nor a link lead us elsewhere. */
const AS_IT_IS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;

/** What was found at a place in a log. */
export type LogRead =
  /** Complete lines; `next` is behind them. */
  | { kind: 'lines'; lines: Buffer; next: number }
  /** The line is too long; its end was not found up to `next`. */
  | { kind: 'oversized'; next: number }
  /** The end of a line that is too long was found. */
  | { kind: 'skipped'; next: number }
  /** The last line has no end yet. */
  | { kind: 'unfinished' };

/** An event log, open. Reads parts of it, never the whole. */
export class LogFile {
  readonly #file: FileHandle;
  readonly stat: BigIntStats;
  readonly inode: string;
  readonly size: number;

  private constructor(file: FileHandle, stat: BigIntStats) {
    this.#file = file;
    this.stat = stat;
    this.inode = String(stat.ino);
    this.size = Number(stat.size);
  }

  /**
   * Undefined for what this service did not make.
   *
   * @throws Error of the file system: it is not there, or a link
   */
  static async open(path: string): Promise<LogFile | undefined> {
    const file = await open(path, AS_IT_IS);
    try {
      const stat = await file.stat({ bigint: true });
      if (stat.isFile() && Number(stat.uid) === process.geteuid?.()) return new LogFile(file, stat);
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
    return undefined;
  }

  /** What stands from `position` on, as far as `end`. */
  async read(position: number, end = this.size): Promise<LogRead> {
    const part = await this.#read(position, Math.min(PART_OCTETS, end - position));
    const last = part.lastIndexOf(NEWLINE);
    if (last >= 0)
      return { kind: 'lines', lines: part.subarray(0, last), next: position + last + 1 };
    if (part.length < PART_OCTETS) return { kind: 'unfinished' };
    const long = await this.#read(position, Math.min(LONGEST_LINE + 1, end - position));
    const first = long.indexOf(NEWLINE);
    if (first >= 0)
      return { kind: 'lines', lines: long.subarray(0, first), next: position + first + 1 };
    if (long.length <= LONGEST_LINE) return { kind: 'unfinished' };
    return { kind: 'oversized', next: position + long.length };
  }

  /** Looks for the end of a line that is too long. */
  async skip(position: number, end = this.size): Promise<LogRead> {
    let at = position;
    const buffer = Buffer.allocUnsafe(SKIP_OCTETS);
    for (let turn = 0; turn < SKIPS_A_TURN && at < end; turn += 1) {
      const part = await this.#read(at, Math.min(SKIP_OCTETS, end - at), buffer);
      const first = part.indexOf(NEWLINE);
      if (first >= 0) return { kind: 'skipped', next: at + first + 1 };
      if (part.length === 0) break;
      at += part.length;
    }
    return at === position ? { kind: 'unfinished' } : { kind: 'oversized', next: at };
  }

  /** So that no position is on disk before that which was read up to there. */
  async sync(): Promise<void> {
    await this.#file.datasync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #read(position: number, octets: number, into?: Buffer): Promise<Buffer> {
    const buffer = into?.subarray(0, octets) ?? Buffer.allocUnsafe(Math.max(0, octets));
    let read = 0;
    while (read < buffer.length) {
      const { bytesRead } = await this.#file.read(
        buffer,
        read,
        buffer.length - read,
        position + read,
      );
      if (bytesRead === 0) break;
      read += bytesRead;
    }
    return buffer.subarray(0, read);
  }
}
