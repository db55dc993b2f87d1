import { HISTORY_MINUTES, type Sample } from './history.ts';
import type { LatencyBuckets, Totals } from './totals.ts';

const MINUTE_MSECS = 60_000;

/** How much a total grew in the last `minutes`; since the first sample, if that is younger. */
export function growth(samples: readonly Sample[], name: keyof Totals, minutes: number): number {
  const [first, last] = span(samples, minutes);
  return (last?.totals[name] ?? 0) - (first?.totals[name] ?? 0);
}

/** Minute by minute, the last one last; undefined for those before the first sample. */
export type ByMinute = readonly (number | undefined)[];

/** A total's growth minute by minute. */
export function growthByMinute(samples: readonly Sample[], name: keyof Totals): ByMinute {
  return minutes(samples, (from, to) => to.totals[name] - from.totals[name]);
}

/** The most that was owed, minute by minute. */
export function owedByMinute(samples: readonly Sample[]): ByMinute {
  return minutes(samples, (from, to) =>
    Math.max(...samples.filter(({ at }) => at >= from.at && at <= to.at).map(({ owed }) => owed)),
  );
}

/**
 * Seconds within which the share `q` of the last `minutes`' pushes was accepted, by linear
 * interpolation within a bucket as Prometheus does it; undefined when there was none.
 */
export function latencyQuantile(
  samples: readonly Sample[],
  q: number,
  minutes: number,
): number | undefined {
  const [first, last] = span(samples, minutes);
  return quantile(first?.latency ?? [], last?.latency ?? [], q);
}

/** The median minute by minute, in seconds; 0 for minutes without a push. */
export function latencyByMinute(samples: readonly Sample[]): ByMinute {
  return minutes(samples, (from, to) => quantile(from.latency, to.latency, 0.5) ?? 0);
}

function quantile(before: LatencyBuckets, after: LatencyBuckets, q: number): number | undefined {
  const counts = after.map(({ seconds, count }, index) => ({
    seconds,
    count: count - (before[index]?.count ?? 0),
  }));
  const wanted = q * (counts.at(-1)?.count ?? 0);
  if (wanted === 0) return undefined;
  const index = counts.findIndex(({ count }) => count >= wanted);
  const { seconds: lower, count: below } = counts[index - 1] ?? { seconds: 0, count: 0 };
  const { seconds: upper, count } = counts[index] ?? { seconds: Infinity, count: 0 };
  if (upper === Infinity) return lower;
  return lower + (upper - lower) * ((wanted - below) / (count - below));
}

/** The sample from `minutes` ago and the last one. */
function span(samples: readonly Sample[], minutes: number): (Sample | undefined)[] {
  const last = samples.at(-1);
  return [last && sampleAt(samples, last.at - minutes * MINUTE_MSECS), last];
}

function minutes(
  samples: readonly Sample[],
  value: (from: Sample, to: Sample) => number,
): ByMinute {
  const [first] = samples;
  const last = samples.at(-1);
  return Array.from({ length: HISTORY_MINUTES }, (_, index) => {
    const end = (last?.at ?? 0) - (HISTORY_MINUTES - 1 - index) * MINUTE_MSECS;
    if (first === undefined || end < first.at) return undefined;
    const from = sampleAt(samples, end - MINUTE_MSECS);
    const to = sampleAt(samples, end);
    return from === undefined || to === undefined ? undefined : value(from, to);
  });
}

/** The last sample at that time or before; the first one when all are younger. */
const sampleAt = (samples: readonly Sample[], at: number): Sample | undefined =>
  samples.findLast((sample) => sample.at <= at) ?? samples[0];
