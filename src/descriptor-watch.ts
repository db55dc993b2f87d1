import { open } from 'node:fs/promises';
import type { Clock } from './clock.ts';
import type { Logger } from './logging.ts';

/** Notices that the process, or the machine, has no file descriptor left. */
export interface DescriptorWatch {
  start(): void;
  stop(): void;
  /** The last time within an hour that there was none, in words; undefined when there was not. */
  remark(): string | undefined;
  /** @throws Error there is none at the moment */
  check(): Promise<void>;
}

const LOOK_MSECS = 2_000;
const REMEMBER_MSECS = 3_600_000;

/** See open(2): the process's own limit, and the machine's. */
const SHORTAGES: ReadonlyMap<unknown, string> = new Map([
  ['EMFILE', 'the process has no file descriptor left: raise its limit (systemd: LimitNOFILE)'],
  ['ENFILE', 'the machine has no file descriptor left: raise fs.file-max'],
]);

/**
 * Without a descriptor libuv closes connections as soon as they come, and tells nobody; `/readyz` itself
 * can be reached by open connections only. So somebody has to look, and to remember.
 *
 * @param openOne opens and closes any file; given by tests
 */
export function createDescriptorWatch(
  clock: Clock,
  log: Logger,
  openOne: () => Promise<void> = openNull,
): DescriptorWatch {
  let timer: NodeJS.Timeout | undefined;
  let short = false;
  let last: { at: number; shortage: string } | undefined;

  async function look(): Promise<string | undefined> {
    const shortage = await openOne().then(
      () => undefined,
      (error: unknown) => SHORTAGES.get((error as NodeJS.ErrnoException).code),
    );
    if (shortage !== undefined) last = { at: clock.monotonic(), shortage };
    if (shortage !== undefined && !short) log.error(`${shortage}; connections are refused`);
    if (shortage === undefined && short) log.info('there are file descriptors again');
    short = shortage !== undefined;
    return shortage;
  }

  return {
    start: () => {
      timer = setInterval(() => void look(), LOOK_MSECS);
      timer.unref();
    },
    stop: () => clearInterval(timer),
    check: async () => {
      const shortage = await look();
      if (shortage !== undefined) throw new Error(shortage);
    },
    remark: () => {
      if (last === undefined || clock.monotonic() - last.at > REMEMBER_MSECS) return undefined;
      const minutes = Math.round((clock.monotonic() - last.at) / 60_000);
      return `${minutes} minutes ago ${last.shortage}`;
    },
  };
}

async function openNull(): Promise<void> {
  const file = await open('/dev/null');
  await file.close();
}
