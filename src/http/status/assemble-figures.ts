import { HISTORY_MINUTES } from './history.ts';
import {
  growth,
  growthByMinute,
  latencyByMinute,
  latencyQuantile,
  owedByMinute,
  type ByMinute,
} from './series.ts';
import type { StatusFacts } from './status-facts.ts';
import type { Figure } from './status-view.ts';
import type { Totals } from './totals.ts';
import { count, counted, duration, shortTime } from './words.ts';

/** How far back the latency looks, in minutes: few pushes make for few figures. */
const LATENCY_MINUTES = 5;

/** The numbers at the top of the page, in the order in which a message meets them. */
export function assembleFigures(facts: StatusFacts): Figure[] {
  return [
    rate(facts, 'Mail reported', 'mail'),
    rate(facts, 'Chat found', 'chat'),
    rate(facts, 'Pushes accepted', 'accepted'),
    failures(facts),
    latency(facts),
    outbox(facts),
  ];
}

function rate({ samples }: StatusFacts, name: string, total: keyof Totals): Figure {
  const series = growthByMinute(samples, total);
  return {
    name,
    value: count(growth(samples, total, 1)),
    unit: 'a minute',
    note: `${count(growth(samples, total, HISTORY_MINUTES))} in ${HISTORY_MINUTES} min`,
    tone: 'quiet',
    series,
    seriesLabel: describe(series, (most) => `at most ${count(most)} in a minute`),
  };
}

/** A failed attempt may be repeated; what was given up is lost. */
function failures(facts: StatusFacts): Figure {
  const figure = rate(facts, 'Attempts failed', 'failed');
  const dropped = growth(facts.samples, 'dropped', HISTORY_MINUTES);
  return {
    ...figure,
    tone: growth(facts.samples, 'failed', 1) > 0 ? 'bad' : 'quiet',
    note: `${figure.note}${dropped > 0 ? `; ${counted(dropped, 'push', 'pushes')} given up` : ''}`,
  };
}

function latency({ samples }: StatusFacts): Figure {
  const half = latencyQuantile(samples, 0.5, LATENCY_MINUTES);
  const most = latencyQuantile(samples, 0.95, LATENCY_MINUTES);
  const series = latencyByMinute(samples);
  const told = {
    ...{ name: 'Push latency', tone: 'quiet' as const, series },
    seriesLabel: describe(series, (longest) => `half within ${spoken(longest)} at most`),
  };
  return half === undefined || most === undefined
    ? { ...told, value: undefined, note: `no push in ${LATENCY_MINUTES} min` }
    : { ...told, ...median(half), note: `95 % within ${spoken(most)}` };
}

function outbox({ samples, delivery }: StatusFacts): Figure {
  const { owed, oldestAgeMsecs } = delivery;
  const series = owedByMinute(samples);
  return {
    name: 'Outbox',
    value: count(owed),
    unit: 'owed',
    note: owed === 0 ? 'nothing waits' : `the oldest for ${duration(oldestAgeMsecs / 1_000)}`,
    tone: 'quiet',
    series,
    seriesLabel: describe(series, (most) => `at most ${count(most)} at a time`),
  };
}

const median = (seconds: number) => {
  const { value, unit } = shortTime(seconds);
  return { value, unit: `${unit} median` };
};

/** The sparkline for those who cannot see it. */
function describe(series: ByMinute, most: (value: number) => string): string {
  const highest = Math.max(0, ...series.map((value = 0) => value));
  const since = series.includes(undefined)
    ? 'since the start'
    : `in the last ${HISTORY_MINUTES} minutes`;
  return `${highest === 0 ? 'none' : most(highest)} ${since}`;
}

const spoken = (seconds: number): string => {
  const { value, unit } = shortTime(seconds);
  return `${value} ${unit}`;
};
