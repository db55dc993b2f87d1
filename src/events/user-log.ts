import { link, readdir, truncate, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { EventJournal } from '../stores/event-journal.ts';
import type { EventDirectory } from './event-directory.ts';
import { LogFile, LONGEST_LINE, type LogRead } from './log-file.ts';
import type { LogPositions } from './log-positions.ts';
import type { LogOwners } from './log-owners.ts';
import { readLines, setForeignAside } from './read-lines.ts';

export interface UserLogParts {
  directory: EventDirectory;
  positions: LogPositions;
  journal: Pick<EventJournal, 'takeIn'>;
  owners: Pick<LogOwners, 'foreign'>;
  clock: Clock;
  onLines: (result: LineResult, count: number) => void;
  /** Told of what is no fault of this service and no reason to stop. */
  onProblem: (problem: string) => void;
}

/** What became of a line. */
export const LINE_RESULTS = ['taken', 'damaged', 'oversized', 'foreign', 'over_share'] as const;
export type LineResult = (typeof LINE_RESULTS)[number];

/** The scripts begin no line behind 1 GiB; what is behind that nobody reads. */
const READ_LIMIT = 1_073_741_824 + LONGEST_LINE;
/** A log that was read to its end is rotated when it is as long as this, or as old. */
const ROTATE_OCTETS = 16 * 1_048_576;
const ROTATE_MSECS = 3_600_000;
/** A process that had a log open has written to it by then. */
const LINGER_MSECS = 600_000;
/** Rotated logs that may be there; past it, the oldest goes though somebody still writes to it. */
const MOST_ROTATED = 16;
const NOTHING = Buffer.alloc(0);
const ROTATED = /^log\.(\d{1,15})$/;

/** The event log of one system user: `log`, and those before it that may still be written to. */
export class UserLog {
  readonly uid: number;
  readonly #parts: UserLogParts;
  /** Logs in the middle of a line that is too long. */
  readonly #skipping = new Set<string>();
  /** How long a log was when its last line had no end. */
  readonly #unfinished = new Map<string, number>();
  #unread = 0;
  #unreadSince = Infinity;
  #rotate = false;

  constructor(uid: number, parts: UserLogParts) {
    this.uid = uid;
    this.#parts = parts;
  }

  /** Octets that were not taken in at the last look. */
  get unread(): number {
    return this.#unread;
  }

  /** Since when, in milliseconds since the epoch. */
  get unreadSince(): number {
    return this.#unread > 0 ? this.#unreadSince : Infinity;
  }

  /** Has the log begin anew at the next look that finds it read, so that nothing of it stays. */
  renew(): void {
    this.#rotate = true;
  }

  /**
   * Takes in the next part of what stands there, from the oldest log on.
   *
   * @returns whether there is more
   * @throws UnavailableError what was read could not be kept: it is read again
   */
  async readNext(): Promise<boolean> {
    const { directory } = this.#parts;
    const home = directory.of(this.uid);
    const names = await readdir(home).catch(() => []);
    const rotated = names
      .flatMap((name) => ROTATED.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((one, other) => one - other);
    const log = await LogFile.open(join(home, 'log')).catch(() => undefined);
    this.#unread = 0;
    let more = false;
    try {
      for (const number of rotated) {
        const isOldest = rotated.length > MOST_ROTATED && number === rotated[0];
        more ||= await this.#readRotated(join(home, `log.${number}`), log, isOldest);
      }
      if (log === undefined) {
        await directory.mend(this.uid);
        return more;
      }
      more ||= await this.#readPart(log);
      if (!more) {
        this.#unreadSince = Infinity;
        await directory.trimHold(this.uid);
      }
      if (this.#isToRotate(log)) await this.#renewLog(log, (rotated.at(-1) ?? 0) + 1);
      return more;
    } finally {
      await log?.close();
    }
  }

  async #readRotated(
    path: string,
    current: LogFile | undefined,
    excess: boolean,
  ): Promise<boolean> {
    const log = await LogFile.open(path).catch(() => undefined);
    if (log === undefined) return false;
    try {
      if (log.inode === current?.inode) {
        await unlink(path); // this process ended while it gave the log its second name
        return false;
      }
      const more = await this.#readPart(log);
      if (!more && (excess || (this.#isDone(log) && this.#isLeft(log)))) {
        await this.#remove(path, log);
      }
      return more;
    } finally {
      await log.close();
    }
  }

  /** @returns whether there is more in this log */
  async #readPart(log: LogFile): Promise<boolean> {
    const { clock, positions } = this.#parts;
    const { inode } = log;
    const end = Math.min(log.size, READ_LIMIT);
    let position = positions.of(inode);
    if (position > log.size) {
      this.#parts.onProblem(
        'a log is shorter than what was read of it; it is read from its beginning',
      );
      this.#skipping.delete(inode);
      positions.set(inode, (position = 0));
    }
    if (position >= end || this.#unfinished.get(inode) === log.size) return false;
    this.#unfinished.delete(inode);
    if (this.#unread === 0) this.#unreadSince = Math.min(this.#unreadSince, clock.now());
    this.#unread += end - position;
    const read = this.#skipping.has(inode)
      ? await log.skip(position, end)
      : await log.read(position, end);
    if (read.kind === 'unfinished') {
      this.#unfinished.set(inode, log.size);
      this.#unread -= end - position;
      return false;
    }
    const next = await this.#keep(log, read, position);
    this.#unread -= next - position;
    return next < end;
  }

  /** @returns the position up to which it was kept */
  async #keep(
    log: LogFile,
    read: Exclude<LogRead, { kind: 'unfinished' }>,
    from: number,
  ): Promise<number> {
    const { clock, journal, owners, positions, onLines, onProblem } = this.#parts;
    const now = clock.now();
    const lines = read.kind === 'lines' ? read.lines : NOTHING;
    const all = readLines(lines, now);
    const users = new Set(all.entries.map(({ user }) => user));
    const foreign = await owners.foreign(this.uid, users);
    const { entries, damaged, damagedCount, foreignCount, octets } = setForeignAside(
      ...[all, foreign, this.uid],
    );
    const next = octets < lines.length ? from + octets : read.next;
    await log.sync();
    const position = { inode: log.inode, position: next };
    const overShare = await journal.takeIn({ log: position, entries, setAside: damaged });
    positions.set(log.inode, next);

    if (read.kind === 'oversized' && !this.#skipping.has(log.inode)) {
      this.#skipping.add(log.inode);
      onLines('oversized', 1);
      onProblem(`a line is longer than ${LONGEST_LINE} octets`);
    }
    if (read.kind === 'skipped') this.#skipping.delete(log.inode);
    onLines('taken', entries.length - overShare);
    onLines('damaged', damagedCount);
    onLines('foreign', foreignCount);
    onLines('over_share', overShare);
    const [first] = damaged;
    if (first !== undefined) onProblem(`a line is ${first.reason}`);
    if (overShare > 0) onProblem('too many events wait for a user; further ones are given up');
    return next;
  }

  /** Read to its end, but for a line that nobody will finish. */
  #isDone(log: LogFile): boolean {
    const { inode, size } = log;
    if (this.#parts.positions.of(inode) >= Math.min(size, READ_LIMIT)) return true;
    return this.#unfinished.get(inode) === size && this.#isLeft(log);
  }

  #ageOf(log: LogFile): number {
    return this.#parts.clock.now() - Number(log.stat.mtimeMs);
  }

  /** Nobody writes to it whom anybody would read. */
  #isLeft(log: LogFile): boolean {
    return log.size > READ_LIMIT || this.#ageOf(log) > LINGER_MSECS;
  }

  #isToRotate(log: LogFile): boolean {
    if (log.size > READ_LIMIT) return true;
    if (log.size === 0 || !this.#isDone(log)) return false;
    return log.size >= ROTATE_OCTETS || this.#rotate || this.#ageOf(log) > ROTATE_MSECS;
  }

  async #renewLog(log: LogFile, number: number): Promise<void> {
    const { directory, onProblem } = this.#parts;
    if (log.size > READ_LIMIT) onProblem('a log is longer than 1 GiB; its end is given up');
    this.#rotate = false;
    const aside = join(directory.of(this.uid), `log.${number}`);
    await directory.renew(this.uid, (path) => link(path, aside));
  }

  /** Its inode cannot come back before its position is gone: it is open. */
  async #remove(path: string, log: LogFile): Promise<void> {
    if (this.#parts.positions.of(log.inode) < log.size) {
      this.#parts.onLines('damaged', 1);
      this.#parts.onProblem('the last line of a log has no end');
    }
    // Its room is given back though a process has it open, which only one that means harm has.
    if (log.size > READ_LIMIT) await truncate(path);
    await unlink(path);
    await this.#parts.positions.end(log.inode);
    this.#skipping.delete(log.inode);
    this.#unfinished.delete(log.inode);
  }
}
