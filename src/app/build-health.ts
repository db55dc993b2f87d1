import { createSnapshot } from '../http/snapshot.ts';
import { createHistory, type History } from '../http/status/history.ts';
import {
  judgeHealth,
  PROBLEM_NAMES,
  SEVERITIES,
  type Problem,
} from '../http/status/judge-health.ts';
import { createReadinessWatch, type LatestReadiness } from '../http/status/readiness-watch.ts';
import { readLatency, readTotals } from '../http/status/totals.ts';
import { isReady, TRAFFIC_CHECK, type ReadinessCheck } from '../readiness.ts';
import { VERSION } from '../version.ts';
import type { Domain } from './build-domain.ts';
import type { Flows } from './build-flows.ts';
import type { Ground } from './build-ground.ts';

/** How the service is: whether its parts work, and whether mail and pushes pass. */
export interface Health {
  history: History;
  /** What is wrong now though all parts work. */
  problems: () => Promise<readonly Problem[]>;
  /** The given checks, and one whose remark tells of these problems. */
  checks: readonly ReadinessCheck[];
  readiness: LatestReadiness;
}

/** Counting is cheap, but anybody may ask. */
const FRESH_MSECS = 1_000;

/** One judgement for the status page, `/readyz` and, as gauges, for Prometheus. */
export function buildHealth(
  { config, clock, metrics }: Ground,
  { delivery }: Domain,
  { oldestEventMsecs }: Flows,
  parts: readonly ReadinessCheck[],
): Health {
  const history = createHistory({
    read: async () => ({
      totals: await readTotals(metrics),
      latency: await readLatency(metrics),
      owed: delivery.levels().owed,
    }),
    clock,
  });
  let latest: readonly Problem[] = [];
  const problems = createSnapshot(
    async () =>
      (latest = judgeHealth({
        samples: await history.samples(),
        delivery: delivery.snapshot(),
        outboxLimit: config.outbox.limit,
        oldestEventMsecs: await oldestEventMsecs(),
      })),
    FRESH_MSECS,
    () => clock.monotonic(),
  );
  const remark = (): string | undefined =>
    latest.length === 0
      ? undefined
      : latest.map(({ place, says }) => `${place}: ${says}`).join('; ');
  const checks = [
    ...parts,
    {
      name: TRAFFIC_CHECK,
      check: () => problems().then(() => undefined),
      remark,
    },
  ];
  const readiness = createReadinessWatch(checks, clock);

  metrics.buildInfo.set({ version: VERSION, node: process.versions.node }, 1);
  metrics.onCollect(async () => {
    const found = await problems();
    for (const problem of PROBLEM_NAMES) {
      for (const severity of SEVERITIES) {
        const isThere = found.some((one) => one.name === problem && one.severity === severity);
        metrics.problems.set({ problem, severity }, isThere ? 1 : 0);
      }
    }
  });
  metrics.onCollect(async () => {
    const report = await readiness();
    for (const [check, says] of Object.entries(report?.checks ?? {})) {
      metrics.ready.set({ check }, isReady(says) ? 1 : 0);
    }
  });
  return { history, problems, checks, readiness };
}
