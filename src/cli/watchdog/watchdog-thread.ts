import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { workerData } from 'node:worker_threads';
import type { WatchdogData } from './start-watchdog.ts';

/* The thread that looks whether the main thread is alive, and ends the process when it is not. */
const { beats, lookMsecs, patience } = workerData as WatchdogData;

/** Where the main thread is shows within milliseconds, unless a call into the system never returns. */
const ASK_MSECS = 1_000;
/** Whoever reads the log may hang as well, or the disk that the code is on. */
const REPORT_MSECS = 5_000;

let last = Atomics.load(beats, 0);
let missed = 0;

setInterval(() => {
  const now = Atomics.load(beats, 0);
  missed = now === last ? missed + 1 : 0;
  last = now;
  if (missed === patience) void end();
}, lookMsecs);

async function end(): Promise<void> {
  try {
    await Promise.race([report(), sleep(REPORT_MSECS)]);
  } finally {
    process.kill(process.pid, 'SIGKILL');
  }
}

async function report(): Promise<void> {
  // Loaded now: a thread that only counts stays small.
  const { destination } = await import('pino');
  const { createLogger } = await import('../../logging.ts');
  const { withPriorities } = await import('../../standard-output.ts');
  const { findMainThread } = await import('./find-main-thread.ts');
  const stack = await Promise.race([findMainThread(), sleep(ASK_MSECS, [])]);
  const output = destination({ fd: 1, sync: false });
  const written = once(output, 'drain');
  createLogger('fatal', withPriorities(output)).fatal(
    { stack, seconds: (patience * lookMsecs) / 1_000 },
    'the event loop hangs: ending this process, so that it is started anew (watchdog.timeout)',
  );
  await written;
}
