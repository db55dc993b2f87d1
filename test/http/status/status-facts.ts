import type { Sample } from '../../../src/http/status/history.ts';
import type { StatusFacts } from '../../../src/http/status/status-facts.ts';
import type { LatencyBuckets, Totals } from '../../../src/http/status/totals.ts';

export const NOW = Date.UTC(2026, 0, 15, 12);

export const noTotals: Totals = {
  ...{ events: 0, mail: 0, classified: 0, chat: 0, classifyFailed: 0 },
  ...{ dict: 0, dictFailed: 0, doveadm: 0, doveadmFailed: 0, accepted: 0, failed: 0, dropped: 0 },
  ...{ faults: 0, refused: 0, lost: 0, eventsGivenUp: 0 },
};

const noLatency: LatencyBuckets = [0.01, 0.1, 1, Infinity].map((seconds) => ({
  seconds,
  count: 0,
}));

export const sample = (
  minute: number,
  totals: Partial<Totals> = {},
  more: Partial<Sample> = {},
): Sample => ({
  at: minute * 60_000,
  totals: { ...noTotals, ...totals },
  latency: noLatency,
  owed: 0,
  ...more,
});

/** A service that runs and has nothing to do. */
export const idleFacts = (more: Partial<StatusFacts> = {}): StatusFacts => ({
  now: NOW,
  startedAt: NOW - 3_720_000,
  service: {
    ...{ version: '1.2.3', node: '26.0.0', host: 'mail.example.org' },
    ...{ source: 'dict', driver: 'lua', store: 'sqlite' },
  },
  readiness: {
    ready: true,
    checks: { doveadm: 'ok', store: 'ok', outbox: 'ok', events: 'ok', proxy: 'ok', clock: 'ok' },
  },
  samples: [sample(0), sample(60)],
  heard: new Map(),
  problems: [],
  delivery: {
    ...{ state: 'running', owed: 0, oldestAgeMsecs: 0, origins: [], originCount: 0 },
  },
  attempts: [],
  throttledUsers: 0,
  pending: 0,
  ...more,
});
