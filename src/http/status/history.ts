import type { Clock } from '../../clock.ts';
import type { LatencyBuckets, Totals } from './totals.ts';

/** What was counted up to one moment. */
export interface Sample {
  /** Monotonic milliseconds. */
  at: number;
  totals: Totals;
  latency: LatencyBuckets;
  /** Pushes that are owed at this moment. */
  owed: number;
}

export interface HistoryParts {
  read: () => Promise<Omit<Sample, 'at'>>;
  clock: Clock;
}

/** The last half hour in samples: for rates and sparklines, not for keeping. */
export interface History {
  start(): Promise<void>;
  stop(): void;
  /** Oldest first; the last one is taken now. */
  samples(): Promise<Sample[]>;
  /** When each total was last seen to grow, in milliseconds since the epoch. */
  lastGrowth(): ReadonlyMap<keyof Totals, number>;
}

/** What the page shows of the past, in minutes. */
export const HISTORY_MINUTES = 30;
const SAMPLE_MSECS = 10_000;
const MOST_SAMPLES = (HISTORY_MINUTES * 60_000) / SAMPLE_MSECS + 1;

export function createHistory({ read, clock }: HistoryParts): History {
  const kept: Sample[] = [];
  const grown = new Map<keyof Totals, number>();
  let latest: Sample | undefined;
  let timer: NodeJS.Timeout | undefined;

  async function look(): Promise<Sample> {
    const sample = { at: clock.monotonic(), ...(await read()) };
    for (const name of Object.keys(sample.totals) as (keyof Totals)[]) {
      if (sample.totals[name] > (latest?.totals[name] ?? 0)) grown.set(name, clock.now());
    }
    latest = sample;
    return sample;
  }

  async function keep(): Promise<void> {
    kept.push(await look());
    if (kept.length > MOST_SAMPLES) kept.shift();
  }

  return {
    start: async () => {
      await keep();
      timer = setInterval(() => void keep(), SAMPLE_MSECS).unref();
    },
    stop: () => clearInterval(timer),
    samples: async () => {
      const now = await look();
      return [...kept, now];
    },
    lastGrowth: () => grown,
  };
}
