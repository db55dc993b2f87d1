import { open, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage } from '../../errors.ts';
import type { Logger } from '../../logging.ts';

export interface AliveMarkerParts {
  /** `events.dir`. */
  dir: string;
  /** `spool.dir`, where versions before the event logs had it. */
  oldDir: string;
  /** Up to when everything was taken in, in milliseconds since the epoch. */
  caughtUp: () => number;
  log: Logger;
}

/** Remembers over the service's end up to when it has seen everything. */
export interface AliveMarker {
  /** In milliseconds since the epoch; undefined before the first start. */
  read(): Promise<number | undefined>;
  start(): void;
  stop(): Promise<void>;
}

const NAME = 'alive';
const BEAT_MSECS = 5_000;

/** The time is the file's mtime, which changes as a whole or not at all. */
export function createAliveMarker({ dir, oldDir, caughtUp, log }: AliveMarkerParts): AliveMarker {
  const path = join(dir, NAME);
  let timer: NodeJS.Timeout | undefined;
  let beats = Promise.resolve();

  /** One after the other: an earlier time must not be the last that is written. */
  function beat(): Promise<void> {
    beats = beats.then(note);
    return beats;
  }

  async function note(): Promise<void> {
    const at = new Date(caughtUp());
    try {
      await utimes(path, at, at).catch(async (error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        await (await open(path, 'a', 0o600)).close();
        await utimes(path, at, at);
      });
    } catch (error) {
      log.warn({ path, reason: errorMessage(error) }, 'cannot note that the service is alive');
    }
  }

  return {
    read: async () => {
      const before = join(oldDir, `.${NAME}`);
      const found = await stat(path).catch(() => stat(before).catch(() => undefined));
      // A file system may hold dates that a Date cannot; nobody was here before the epoch, or later than now.
      return found && Math.min(Math.max(Math.floor(found.mtimeMs), 0), caughtUp());
    },
    start: () => {
      void beat();
      timer = setInterval(() => void beat(), BEAT_MSECS);
    },
    stop: async () => {
      if (timer === undefined) return;
      clearInterval(timer);
      await beat();
    },
  };
}
