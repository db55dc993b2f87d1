import { hostname } from 'node:os';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { statusRoutes } from '../http/routes/status.ts';
import { assembleStatus } from '../http/status/assemble-status.ts';
import { readPageAssets } from '../http/status/page-assets.ts';
import { renderStatus } from '../http/status/render-status.ts';
import type { StatusFacts } from '../http/status/status-facts.ts';
import { timeOfDay } from '../http/status/words.ts';
import { VERSION } from '../version.ts';
import type { Domain } from './build-domain.ts';
import type { Flows } from './build-flows.ts';
import type { Ground } from './build-ground.ts';
import type { Health } from './build-health.ts';

/** The status page, and the little memory behind it. */
export interface Status {
  routes: FastifyPluginAsyncTypebox;
  start(): Promise<void>;
  stop(): void;
}

/** Seconds between two looks: by the page's script, and without it by reloading. */
const PERIOD = 5;
const RELOAD = 15;

export function buildStatus(
  { config, clock, store }: Ground,
  { delivery, throttle, attempts }: Domain,
  { journal }: Flows,
  { history, problems, readiness }: Health,
): Status {
  const startedAt = clock.now();
  const service = {
    version: VERSION,
    node: process.versions.node,
    host: hostname(),
    source: config.metadata.source,
    driver: config.events.driver,
    store: store.kind,
  };

  async function facts(): Promise<StatusFacts> {
    const [latest, samples, found] = await Promise.all([
      readiness(),
      history.samples(),
      problems(),
    ]);
    return {
      ...{ startedAt, service, samples, problems: found, readiness: latest },
      pending: journal.waiting(),
      now: clock.now(),
      heard: history.lastGrowth(),
      delivery: delivery.snapshot(),
      attempts: attempts.list(),
      throttledUsers: throttle.snapshot().length,
    };
  }

  const assets = readPageAssets();
  const page = async (): Promise<string> => {
    const known = await facts();
    const time = new Date(known.now);
    return renderStatus(assembleStatus(known), {
      ...{ host: service.host, period: PERIOD, reload: RELOAD },
      time: time.toISOString(),
      clock: timeOfDay(time),
      assets,
    });
  };
  return {
    routes: statusRoutes({ page, assets }),
    start: () => history.start(),
    stop: () => history.stop(),
  };
}
