import type { Counter, Histogram } from 'prom-client';
import type { Metrics } from '../../metrics.ts';
import { FAULT_REASONS, isFault, type OutcomeReason } from '../../webpush/outcome/outcome.ts';

/** What the status page counts, since the start: sums over the metrics' small label sets. */
export interface Totals {
  /** Dovecot events of all kinds. */
  events: number;
  /** Messages that Dovecot reported as delivered. */
  mail: number;
  classified: number;
  /** Classified messages that are chat of someone who has COI enabled. */
  chat: number;
  classifyFailed: number;
  dict: number;
  dictFailed: number;
  doveadm: number;
  doveadmFailed: number;
  accepted: number;
  /** Push attempts that were not accepted, and may be repeated. */
  failed: number;
  /** Of those: the ones after which something is wrong … */
  faults: number;
  /** … and the ones in which we were refused, by a push service or the proxy (401, 403, 407). */
  refused: number;
  /** Owed pushes that were given up. */
  dropped: number;
  /** Of those: the ones that nobody refused, but for which there was no time or no room. */
  lost: number;
  /** Transactions that will never be handled. */
  eventsGivenUp: number;
}

/** How long pushes took from event to acceptance: how many took at most so many seconds. */
export type LatencyBuckets = readonly { seconds: number; count: number }[];

export async function readTotals(metrics: Metrics): Promise<Totals> {
  const [events, classified, dict, doveadm, pushes, dropped, givenUp] = await Promise.all([
    valuesOf(metrics.events),
    valuesOf(metrics.classifications),
    valuesOf(metrics.dictCommands),
    valuesOf(metrics.doveadmRequests),
    valuesOf(metrics.pushes),
    valuesOf(metrics.outboxDropped),
    valuesOf(metrics.eventsGivenUp),
  ]);
  return {
    events: sum(events),
    mail: sum(events, ({ event }) => event === 'MessageNew'),
    classified: sum(classified, ({ answer }) => answer !== 'failed'),
    chat: sum(classified, ({ answer }) => answer === 'flag' || answer === 'file'),
    classifyFailed: sum(classified, ({ answer }) => answer === 'failed'),
    dict: sum(dict, ({ result }) => result !== 'failed'),
    dictFailed: sum(dict, ({ result }) => result === 'failed'),
    doveadm: sum(doveadm, (labels) => isUse(labels) && labels['result'] !== 'failed'),
    doveadmFailed: sum(doveadm, (labels) => isUse(labels) && labels['result'] === 'failed'),
    accepted: sum(pushes, ({ outcome }) => outcome === 'accepted'),
    failed: sum(pushes, ({ outcome }) => outcome !== 'accepted'),
    faults: sum(pushes, ({ outcome }) => isFault(outcome as OutcomeReason)),
    refused: sum(pushes, ({ outcome }) => FAULT_REASONS.some((reason) => reason === outcome)),
    dropped: sum(dropped),
    lost: sum(dropped, ({ reason }) => reason === 'expired' || reason === 'overflow'),
    eventsGivenUp: sum(givenUp),
  };
}

export async function readLatency({ pushLatency }: Metrics): Promise<LatencyBuckets> {
  const buckets = await valuesOf(pushLatency, 'coi_push_latency_seconds_bucket');
  return buckets.map(({ labels, value }) => ({
    seconds: labels['le'] === '+Inf' ? Infinity : Number(labels['le']),
    count: value,
  }));
}

/** "list" is what readiness asks, whenever somebody looks at this page. */
const isUse = ({ command }: Value['labels']): boolean => command !== 'list';

interface Value {
  value: number;
  labels: Partial<Record<string, string | number>>;
}

/** @param series of a histogram, which has several */
async function valuesOf<Label extends string>(
  metric: Counter<Label> | Histogram<Label>,
  series?: string,
): Promise<Value[]> {
  const { values } = (await metric.get()) as { values: (Value & { metricName?: string })[] };
  return series === undefined ? values : values.filter(({ metricName }) => metricName === series);
}

const sum = (
  values: readonly Value[],
  counts: (labels: Value['labels']) => boolean = () => true,
): number => values.reduce((total, { value, labels }) => total + (counts(labels) ? value : 0), 0);
