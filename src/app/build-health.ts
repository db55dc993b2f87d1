import { HealthWatch } from '../http/status/health-watch.ts';
import { createHistory, type History } from '../http/status/history.ts';
import { PROBLEM_NAMES, SEVERITIES } from '../http/status/judge-health.ts';
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
  watch: HealthWatch;
  /** The given checks, and one whose remark is what the watch has found. */
  checks: readonly ReadinessCheck[];
  readiness: LatestReadiness;
}

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
  const watch = new HealthWatch(
    async () => ({
      samples: await history.samples(),
      delivery: delivery.snapshot(),
      outboxLimit: config.outbox.limit,
      oldestEventMsecs: await oldestEventMsecs(),
    }),
    clock,
  );
  const checks = [
    ...parts,
    {
      name: TRAFFIC_CHECK,
      check: () => watch.look().then(() => undefined),
      remark: () => watch.remark(),
    },
  ];
  const readiness = createReadinessWatch(checks, clock);

  metrics.buildInfo.set({ version: VERSION, node: process.versions.node }, 1);
  metrics.onCollect(async () => {
    const problems = await watch.look();
    for (const problem of PROBLEM_NAMES) {
      for (const severity of SEVERITIES) {
        const isThere = problems.some((one) => one.name === problem && one.severity === severity);
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
  return { history, watch, checks, readiness };
}
