import { LRUCache } from 'lru-cache';
import { pino, type DestinationStream, type LogFn, type Logger as PinoLogger } from 'pino';
import { openStandardOutput } from './standard-output.ts';

export type Logger = PinoLogger;

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * One JSON object a line on standard output: journald and container runtimes take it as it is.
 *
 * @param limits for lines that others can cause; as many as there are unless given
 */
export function createLogger(
  level: LogLevel,
  destination: DestinationStream = openStandardOutput(),
  limits?: LineLimits,
): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: ['req.headers.authorization', 'headers.authorization'],
    ...(limits && { hooks: { logMethod: limits.hook } }),
  };
  return pino(options, destination);
}

/** Lines of one text that are written at once, and how often one more is. */
const BURST = 50;
const REFILL_MSECS = 5_000;
/** The same of all lines, whatever they say. */
const BURST_OF_ALL = 2_000;
const REFILL_OF_ALL_MSECS = 20;
/** Texts that are told apart. There are about a hundred; those of foreign libraries are unknown. */
const TEXTS = 500;
/** How soon what was not written is reported, where no other line of that text does it. */
const REPORT_MSECS = 10_000;

/** What an administrator does is written each time. */
const ADMINISTRATIVE = 'an administrator ';

/** Time for {@link LineLimits}. */
export interface LineTime {
  monotonic(): number;
  /** Calls back once, and keeps no process alive for it. */
  later(msecs: number, report: () => void): void;
}

const SYSTEM_TIME: LineTime = {
  monotonic: () => performance.now(),
  later: (msecs, report) => void setTimeout(report, msecs).unref(),
};

/**
 * Bounds how often the same is written: whatever a peer can do to have a line written, it can do a thousand
 * times a second. What is not written is counted, and the next line of that text has the number, as
 * `unwritten`. Lines are told apart by level and text, which are few, and not by what is said along with them.
 *
 * `fatal`, and what only somebody who looks for it has set (`debug`, `trace`), is always written.
 */
export class LineLimits {
  readonly #time: LineTime;
  readonly #texts: LRUCache<string, Bucket>;
  readonly #all: Bucket;
  #reporting = false;
  #mustReport = false;

  constructor(time: LineTime = SYSTEM_TIME) {
    this.#time = time;
    this.#all = newBucket(BURST_OF_ALL, time.monotonic());
    this.#texts = new LRUCache({ max: TEXTS });
  }

  /** For pino's option `hooks`. */
  get hook(): (this: Logger, args: Parameters<LogFn>, method: LogFn, level: number) => void {
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- pino's own is the logger
    const limits = this;
    return function (args, method, level) {
      const admitted = limits.#admit(args, method, level, this);
      if (admitted) method.apply(this, admitted);
    };
  }

  /** @returns what is to be written; undefined for nothing */
  #admit(
    args: Parameters<LogFn>,
    method: LogFn,
    level: number,
    log: Logger,
  ): Parameters<LogFn> | undefined {
    const text = textOf(args);
    const { info, fatal } = pino.levels.values as Record<'info' | 'fatal', number>;
    if (level < info || level >= fatal || this.#reporting) return args;
    if (text.startsWith(ADMINISTRATIVE)) return args;
    const now = this.#time.monotonic();
    const key = `${level} ${text}`;
    const bucket = this.#texts.get(key) ?? newBucket(BURST, now);
    this.#texts.set(key, bucket);
    refill(bucket, BURST, REFILL_MSECS, now);
    refill(this.#all, BURST_OF_ALL, REFILL_OF_ALL_MSECS, now);
    if (bucket.tokens < 1 || this.#all.tokens < 1) {
      bucket.unwritten += 1;
      bucket.report = (unwritten) => method.call(log, { unwritten }, text);
      this.#reportLater();
      return undefined;
    }
    bucket.tokens -= 1;
    this.#all.tokens -= 1;
    const { unwritten } = bucket;
    bucket.unwritten = 0;
    return unwritten === 0 ? args : withField(args, { unwritten });
  }

  #reportLater(): void {
    if (this.#mustReport) return;
    this.#mustReport = true;
    this.#time.later(REPORT_MSECS, () => {
      this.#mustReport = false;
      this.report();
    });
  }

  /** Writes, for each text, how many lines of it were not written since. */
  report(): void {
    this.#reporting = true;
    for (const bucket of this.#texts.values()) {
      if (bucket.unwritten > 0) bucket.report?.(bucket.unwritten);
      bucket.unwritten = 0;
    }
    this.#reporting = false;
  }
}

interface Bucket {
  tokens: number;
  /** When it was last filled up, in monotonic milliseconds. */
  at: number;
  unwritten: number;
  report?: (unwritten: number) => void;
}

const newBucket = (tokens: number, at: number): Bucket => ({ tokens, at, unwritten: 0 });

function refill(bucket: Bucket, most: number, refillMsecs: number, now: number): void {
  bucket.tokens = Math.min(most, bucket.tokens + (now - bucket.at) / refillMsecs);
  bucket.at = now;
}

/** The text of a line; of one without, the kind of error. */
function textOf([first, second]: readonly unknown[]): string {
  if (typeof first === 'string') return first;
  if (typeof second === 'string') return second;
  const error: unknown = (first as { err?: unknown } | undefined)?.err ?? first;
  return error instanceof Error ? error.name : '';
}

function withField(args: readonly unknown[], field: object): Parameters<LogFn> {
  const [first, ...rest] = args;
  if (typeof first === 'string') return [field, first, ...rest] as unknown as Parameters<LogFn>;
  const merged =
    first instanceof Error ? { err: first, ...field } : { ...(first as object), ...field };
  return [merged, ...rest] as unknown as Parameters<LogFn>;
}

/** How often the same was not said since, if it was: to go along with the line. */
export type Again = { unwritten?: number };

/**
 * Lets the same thing be said once in `intervalMsecs`, where a line each few seconds would still be too many:
 * a fault that every push meets.
 */
export function createSayRarely(
  intervalMsecs: number,
  monotonic: () => number,
): (about: string, say: (again: Again) => void) => void {
  const said = new LRUCache<string, { at: number; unwritten: number }>({ max: 1_000 });
  return (about, say) => {
    const last = said.get(about);
    if (last !== undefined && monotonic() - last.at < intervalMsecs) {
      last.unwritten += 1;
      return;
    }
    said.set(about, { at: monotonic(), unwritten: 0 });
    say(last === undefined || last.unwritten === 0 ? {} : { unwritten: last.unwritten });
  };
}
