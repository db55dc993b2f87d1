import type { Clock } from './clock.ts';
import type { Logger } from './logging.ts';

/** Notices that somebody set the clock: NTP after a wrong start, an administrator, a resumed machine. */
export interface ClockWatch {
  start(): void;
  stop(): void;
  /** The last time within an hour that the clock was set, in words; undefined when it was not. */
  remark(): string | undefined;
}

const LOOK_MSECS = 10_000;
/** NTP corrects less than this without setting the clock. */
const STEP_MSECS = 5_000;
const REMEMBER_MSECS = 3_600_000;

/**
 * A step harms nothing that is owed, whose times are monotonic. Said nevertheless: push services refuse
 * VAPID tokens by a wrong clock, and dates in log lines jump.
 */
export function createClockWatch(clock: Clock, log: Logger): ClockWatch {
  let offset = clock.now() - clock.monotonic();
  let last: { step: number; at: number } | undefined;
  let timer: NodeJS.Timeout | undefined;

  function look(): void {
    const step = clock.now() - clock.monotonic() - offset;
    if (Math.abs(step) < STEP_MSECS) return;
    offset += step;
    last = { step, at: clock.monotonic() };
    log.warn({ stepMsecs: Math.round(step) }, 'the clock was set; what is owed keeps its time');
  }

  return {
    start: () => {
      timer = setInterval(look, LOOK_MSECS);
    },
    stop: () => clearInterval(timer),
    remark: () => {
      look();
      if (last === undefined || clock.monotonic() - last.at > REMEMBER_MSECS) return undefined;
      const direction = last.step > 0 ? 'forward' : 'back';
      const ago = inWords(clock.monotonic() - last.at);
      return `the clock was set ${direction} by ${inWords(Math.abs(last.step))}, ${ago} ago`;
    },
  };
}

const UNITS = [
  [86_400_000, 'days'],
  [3_600_000, 'hours'],
  [60_000, 'minutes'],
] as const;

/** Roughly, in the largest unit of which there are two. */
function inWords(msecs: number): string {
  const [length, name] = UNITS.find(([unit]) => msecs >= 1.9 * unit) ?? [1_000, 'seconds'];
  return `${Math.round(msecs / length)} ${name}`;
}
