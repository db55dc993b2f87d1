import type { Clock } from './clock.ts';
import type { Logger } from './logging.ts';

/** Notices that somebody set the clock: NTP after a wrong start, an administrator, a resumed machine. */
export interface ClockWatch {
  start(): void;
  stop(): void;
  /** The last time within an hour that the clock was set, in words; undefined when it was not. */
  remark(): string | undefined;
  /**
   * What the clock as it is now would have said at a time that was noted before: of a file, say. Knows
   * of steps since this process began.
   *
   * @param noted milliseconds since the epoch, and so is the result
   */
  byToday(noted: number): number;
}

const LOOK_MSECS = 10_000;
/** NTP corrects less than this without setting the clock. */
const STEP_MSECS = 5_000;
const REMEMBER_MSECS = 3_600_000;
/** Steps known by when they were; nothing waits for so many. */
const MOST_STEPS = 100;

/**
 * A step harms nothing that is owed: its times are monotonic, or are put right by
 * {@link ClockWatch.byToday}. Said nevertheless: push services refuse VAPID tokens by a wrong clock, and
 * dates in log lines jump.
 */
export function createClockWatch(clock: Clock, log: Logger): ClockWatch {
  let offset = clock.now() - clock.monotonic();
  /** `until` is by the clock before the step; `at` is monotonic. */
  const steps: { step: number; until: number; at: number }[] = [];
  let timer: NodeJS.Timeout | undefined;

  function look(): void {
    const step = clock.now() - clock.monotonic() - offset;
    if (Math.abs(step) < STEP_MSECS) return;
    offset += step;
    steps.push({ step, until: clock.now() - step, at: clock.monotonic() });
    if (steps.length > MOST_STEPS) steps.shift();
    log.warn({ stepMsecs: Math.round(step) }, 'the clock was set; what is owed keeps its time');
  }

  return {
    start: () => {
      timer = setInterval(look, LOOK_MSECS);
    },
    stop: () => clearInterval(timer),
    remark: () => {
      look();
      const last = steps.at(-1);
      if (last === undefined || clock.monotonic() - last.at > REMEMBER_MSECS) return undefined;
      const direction = last.step > 0 ? 'forward' : 'back';
      const ago = inWords(clock.monotonic() - last.at);
      return `the clock was set ${direction} by ${inWords(Math.abs(last.step))}, ${ago} ago`;
    },
    byToday: (noted) => {
      look();
      // Steps back are left alone: the same time was there before and after. It seems younger then.
      const forward = steps.filter(({ step }) => step > 0);
      const today = forward.reduce(
        (time, { step, until }) => time + (time <= until ? step : 0),
        noted,
      );
      return Math.min(today, clock.now());
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
