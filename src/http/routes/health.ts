import type { FastifyPluginAsync } from 'fastify';
import type { Registry } from 'prom-client';
import { checkReadiness, type ReadinessCheck } from '../../readiness.ts';
import { VERSION } from '../../version.ts';
import { LIMITS } from '../limits.ts';
import { createSnapshot } from '../snapshot.ts';

/**
 * `GET /healthz`: the process answers, and says which it is. `GET /readyz`: what the service
 * itself needs works, or 503 and what does not. `GET /metrics`: for Prometheus. None needs a token; none says anything about a
 * user. The last two answer what was found within the last second.
 */
export const healthRoutes =
  (
    checks: readonly ReadinessCheck[],
    registry: Registry,
    monotonic: () => number,
  ): FastifyPluginAsync =>
  // eslint-disable-next-line @typescript-eslint/require-await -- fastify plugins are asynchronous
  async (app) => {
    const started = new Date().toISOString();
    const health = JSON.stringify({ status: 'ok', version: VERSION, started });
    // Anybody may ask, as often as they like: for each of these all metrics are collected, and disk and
    // Dovecot are asked.
    const readiness = createSnapshot(() => checkReadiness(checks), LIMITS.snapshotMsecs, monotonic);
    const metrics = createSnapshot(
      async () => Buffer.from(await registry.metrics()),
      LIMITS.snapshotMsecs,
      monotonic,
    );
    app.get('/healthz', (_request, reply) => reply.type(JSON_TYPE).send(health));
    app.get('/readyz', async (_request, reply) => {
      const report = await readiness();
      return reply.code(report.ready ? 200 : 503).send(report);
    });
    app.get('/metrics', async (_request, reply) =>
      reply.type(registry.contentType).send(await metrics()),
    );
  };

const JSON_TYPE = 'application/json; charset=utf-8';
