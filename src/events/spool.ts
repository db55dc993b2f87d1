import { watch, type FSWatcher } from 'node:fs';
import { readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { DoveadmCommandError } from '../dovecot/doveadm-client.ts';
import { errorMessage } from '../errors.ts';
import type { Logger } from '../logging.ts';
import type { Transaction } from './event-schema.ts';
import {
  checkSpoolDir,
  readSpoolFile,
  REJECTED,
  spoolFileName,
  TEMPORARY_PREFIX,
  writeSpoolFile,
} from './spool-files.ts';
import { createSpoolReader, type SpooledTransaction } from './spool-reader.ts';

export interface SpoolParts {
  dir: string;
  /** Milliseconds between two looks at the directory, which is watched as well. */
  pollInterval: number;
  /** Handles one transaction; `receivedAt` is when it was spooled, in milliseconds since the epoch. */
  handle: (transaction: Transaction, receivedAt: number) => Promise<void>;
  clock: Clock;
  /** {@link ClockWatch.byToday}, for the times of files. */
  byToday: (noted: number) => number;
  log: Logger;
  onFile?: (result: 'taken' | 'needless' | 'rejected') => void;
}

/** A transaction on disk whose first handling, outside the spool, is still under way. */
export interface SpooledCopy {
  /** It was handled after all: the copy goes. */
  discard(): Promise<void>;
  /** It could not be handled: the copy is taken in like any other. */
  release(): void;
}

/** The directory of transactions that could not be handled when they happened. */
export interface Spool {
  /** Keeps one; durable when it resolves. */
  write(transaction: Transaction): Promise<void>;
  /**
   * Keeps a copy of one that is being handled; durable when it resolves. It is left alone, as are its
   * user's others behind it, until it is discarded or released, or this process ends.
   */
  writeCopy(transaction: Transaction): Promise<SpooledCopy>;
  start(): void;
  /** Stops taking in, after the transactions under way. */
  stop(): Promise<void>;
  /** Takes in what is there now; resolves when it was looked through. */
  takeIn(): Promise<void>;
  /**
   * Removes the files with a user's events, also those that were set aside.
   *
   * @returns how many
   */
  forget(user: string): Promise<number>;
  /** How many files wait. */
  pending(): Promise<number>;
  /** @throws UnavailableError saying what to do about the directory */
  check(): Promise<void>;
}

const FILES_A_ROUND = 512;
const USERS_AT_A_TIME = 8;
/** A transaction that failed waits longer each time; what kept it may be over at any moment. */
const LONGEST_PAUSE_MSECS = 60_000;
/** What has failed for so long lets its user's others pass. */
const PATIENCE_MSECS = 120_000;
/** So many of one user; past it, it is no longer single messages that something is wrong with. */
const MOST_STUCK = 8;
/** What Dovecot has refused for so long it will go on refusing. */
const LONGEST_REFUSAL_MSECS = 86_400_000;
const ABANDONED_TEMPORARY_MSECS = 3_600_000;

/** Since when a file has failed, when it may be tried again, and whether Dovecot itself refused it. */
interface Pause {
  since: number;
  until: number;
  msecs: number;
  refused: boolean;
}

/** Stands for a file that is handled elsewhere. */
const NOT_OURS: Pause = { since: Infinity, until: 0, msecs: 0, refused: false };

/**
 * Files are named so that their order is the order of events; both `lua/coi.lua` and this module
 * write them under a temporary name first. Order is kept per user: while one of a user's transactions
 * fails, those behind it wait, and other users do not. A few that have failed for minutes let the others
 * pass: Dovecot may hang up at one message, and order matters less than arriving. So does one that
 * Dovecot refuses, and is set aside after a day: mail that nobody but its user can decrypt, say.
 */
export function createSpool(parts: SpoolParts): Spool {
  const { dir, clock, log } = parts;
  /** Of files that failed. */
  const pauses = new Map<string, Pause>();
  /** Copies of what is being handled elsewhere. */
  const inHand = new Set<string>();
  /** Copies that were discarded; a round may have read them before. */
  const discarded = new Set<string>();
  const reader = createSpoolReader({ dir, log, onRejected: () => parts.onFile?.('rejected') });
  let watcher: FSWatcher | undefined;
  let timer: NodeJS.Timeout | undefined;
  let round: Promise<void> | undefined;
  let again = false;
  let stopped = false;

  async function fileNames(): Promise<string[]> {
    const names = await readdir(dir);
    return names.filter((name) => name.endsWith('.json') && !name.startsWith('.')).sort();
  }

  async function runRound(): Promise<void> {
    discarded.clear();
    const names = await fileNames();
    const present = new Set(names);
    for (const name of pauses.keys()) if (!present.has(name)) pauses.delete(name);
    const inTheWay = new Map<string, number>();
    for (let at = 0; at < names.length && !stopped; at += FILES_A_ROUND) {
      const read = await Promise.all(
        names.slice(at, at + FILES_A_ROUND).map((name) => reader.read(name)),
      );
      const queues = [
        ...Map.groupBy(
          read.filter((one) => one !== undefined),
          userOf,
        ).values(),
      ];
      const workers = Array.from({ length: USERS_AT_A_TIME }, async () => {
        for (let queue = queues.shift(); queue !== undefined; queue = queues.shift()) {
          await handleInOrder(queue, inTheWay);
        }
      });
      await Promise.all(workers);
    }
  }

  /** @param inTheWay how many of a user's transactions this round has found stuck; many: all wait */
  async function handleInOrder(
    queue: readonly SpooledTransaction[],
    inTheWay: Map<string, number>,
  ): Promise<void> {
    for (const one of queue) {
      const { name, transaction } = one;
      const stuck = inTheWay.get(transaction.user) ?? 0;
      if (stopped || stuck > MOST_STUCK) return;
      if (discarded.has(name)) continue;
      const pause = inHand.has(name) ? NOT_OURS : (pauseOf(name) ?? (await attempt(one)));
      if (pause === undefined || pause.refused) continue;
      const more = clock.monotonic() - pause.since < PATIENCE_MSECS ? Infinity : 1;
      inTheWay.set(transaction.user, stuck + more);
    }
  }

  function pauseOf(name: string): Pause | undefined {
    const pause = pauses.get(name);
    return pause && pause.until > clock.monotonic() ? pause : undefined;
  }

  /** @returns undefined when it is done with */
  async function attempt(one: SpooledTransaction): Promise<Pause | undefined> {
    const { name, transaction } = one;
    const receivedAt = parts.byToday(one.writtenAt);
    try {
      await parts.handle(transaction, receivedAt);
      await unlink(join(dir, name));
      parts.onFile?.('taken');
      return undefined;
    } catch (error) {
      const refused = error instanceof DoveadmCommandError;
      const now = clock.monotonic();
      const { since, msecs: last } = pauses.get(name) ?? {
        since: now,
        msecs: parts.pollInterval / 2,
      };
      const msecs = Math.min(LONGEST_PAUSE_MSECS, 2 * last);
      const pause = { since, until: now + msecs, msecs, refused };
      pauses.set(name, pause);
      if (refused && clock.now() - receivedAt > LONGEST_REFUSAL_MSECS) {
        await reader.reject(name, `given up after a day: ${error.message}`);
        return pause;
      }
      log.warn(
        { file: name, reason: errorMessage(error), retryInMsecs: msecs },
        'a spooled event could not be handled yet',
      );
      return pause;
    }
  }

  /** One round at a time; a wish for another one during a round is granted once. */
  function takeIn(): Promise<void> {
    again = round !== undefined;
    round ??= runRound()
      .catch((error: unknown) =>
        log.error({ dir, reason: errorMessage(error) }, 'cannot read the spool directory'),
      )
      .finally(() => {
        round = undefined;
        if (again && !stopped) void takeIn();
      });
    return round;
  }

  async function writeCopy(transaction: Transaction): Promise<SpooledCopy> {
    const name = spoolFileName(clock.now());
    const release = (): void => {
      inHand.delete(name);
      if (!stopped) void takeIn();
    };
    inHand.add(name); // before anyone can see the file
    await writeSpoolFile(dir, name, transaction).catch((error: unknown) => {
      inHand.delete(name);
      throw error;
    });
    return {
      release,
      discard: async () => {
        try {
          await unlink(join(dir, name));
          discarded.add(name);
          parts.onFile?.('needless');
        } catch (error) {
          const reason = errorMessage(error);
          log.warn({ file: name, reason }, 'cannot remove a spool file; it is handled once more');
        }
        release();
      },
    };
  }

  async function removeAbandoned(): Promise<void> {
    for (const name of await readdir(dir).catch(() => [])) {
      if (!name.startsWith(TEMPORARY_PREFIX)) continue;
      const path = join(dir, name);
      const age = clock.now() - ((await stat(path).catch(() => undefined))?.mtimeMs ?? clock.now());
      if (age > ABANDONED_TEMPORARY_MSECS) await unlink(path).catch(() => undefined);
    }
  }

  async function forget(user: string): Promise<number> {
    const aside = (await readdir(join(dir, REJECTED)).catch(() => [])).map((name) =>
      join(REJECTED, name),
    );
    let removed = 0;
    for (const name of [...(await fileNames()), ...aside]) {
      const { text } = await readSpoolFile(join(dir, name)).catch(() => ({ text: '' }));
      if (userIn(text) !== user) continue;
      await unlink(join(dir, name));
      discarded.add(name);
      removed += 1;
    }
    return removed;
  }

  return {
    forget,
    write: (transaction) => writeSpoolFile(dir, spoolFileName(clock.now()), transaction),
    writeCopy,
    start: () => {
      void removeAbandoned();
      timer = setInterval(() => void takeIn(), parts.pollInterval);
      try {
        watcher = watch(dir, (_event, name) => {
          if (name?.endsWith('.json') === true) void takeIn();
        });
        watcher.on('error', () => watcher?.close());
      } catch (error) {
        log.warn(
          { dir, reason: errorMessage(error) },
          'cannot watch the spool directory; looking at it now and then instead',
        );
      }
      void takeIn();
    },
    stop: async () => {
      stopped = true;
      clearInterval(timer);
      watcher?.close();
      await round;
    },
    takeIn,
    pending: async () => (await fileNames()).length,
    check: () => checkSpoolDir(dir),
  };
}

const userOf = ({ transaction }: SpooledTransaction): string => transaction.user;

/** Whose events a file holds, as far as it can be read. */
function userIn(text: string): unknown {
  try {
    return (JSON.parse(text) as { user?: unknown } | null)?.user;
  } catch {
    return undefined;
  }
}
