import { Worker } from 'node:worker_threads';
import type { Logger } from '../../logging.ts';

/** What the thread is given. */
export interface WatchdogData {
  /** One counter; it grows whenever the event loop of the main thread turns. */
  beats: Int32Array;
  /** How often the thread looks at it. */
  lookMsecs: number;
  /** After how many looks in a row without a beat the process is ended. */
  patience: number;
}

/** How often the thread looks, unless the time is short. */
const LOOK_MSECS = 1_000;
const FEWEST_LOOKS = 5;

/**
 * Ends this process when its event loop hangs, so that whoever supervises it starts it anew: one that
 * hangs takes connections still, and holds up everyone who waits for an answer. By SIGKILL, which
 * nothing that was accepted is lost by, and which leaves no core dump with keys in it.
 *
 * A thread watches, for systemd's own watchdog (`WatchdogSec=`) does not exist in a container, and
 * would want a program started for each sign of life: Node has no datagram sockets in the file system.
 * The thread counts looks rather than time. While a machine is suspended, or the process stopped,
 * nobody looks; and where the processor is too busy for a beat, it is for a look as well.
 *
 * @param timeoutMsecs how long the event loop may stand still; 0: as long as it likes
 */
export function startWatchdog(timeoutMsecs: number, log: Pick<Logger, 'warn'>): void {
  if (timeoutMsecs === 0) return;
  if (process.pid === 1) {
    // pid_namespaces(7): a signal from within reaches it only if it has a handler.
    log.warn(
      'no watchdog: nothing can end the first process of a container; give it an init (tini)',
    );
    return;
  }
  const beats = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const lookMsecs = Math.min(LOOK_MSECS, timeoutMsecs / FEWEST_LOOKS);
  const patience = Math.ceil(timeoutMsecs / lookMsecs);
  // Twice as often as somebody looks.
  setInterval(() => Atomics.add(beats, 0, 1), lookMsecs / 2).unref();

  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const workerData: WatchdogData = { beats, lookMsecs, patience };
  const thread = new Worker(new URL(`./watchdog-thread.${extension}`, import.meta.url), {
    workerData,
    // Options of this process, as --input-type, may not suit a file of ours.
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
  });
  thread.unref();
  thread.on('error', (error) => {
    log.warn({ err: error }, 'no watchdog any more: its thread has ended');
  });
}
