import type { FastifyPluginAsync } from 'fastify';
import type { Registry } from 'prom-client';
import { checkReadiness, type ReadinessCheck } from '../../readiness.ts';
import { VERSION } from '../../version.ts';

/**
 * `GET /healthz`: the process answers, and says which it is. `GET /readyz`: what the service
 * itself needs works, or 503 and what does not. `GET /metrics`: for Prometheus. None needs a token; none says anything about a
 * user.
 */
export const healthRoutes =
  (checks: readonly ReadinessCheck[], registry: Registry): FastifyPluginAsync =>
  // eslint-disable-next-line @typescript-eslint/require-await -- fastify plugins are asynchronous
  async (app) => {
    const started = new Date().toISOString();
    app.get('/healthz', () => ({ status: 'ok', version: VERSION, started }));
    app.get('/readyz', async (_request, reply) => {
      const report = await checkReadiness(checks);
      return reply.code(report.ready ? 200 : 503).send(report);
    });
    app.get('/metrics', async (_request, reply) =>
      reply.type(registry.contentType).send(await registry.metrics()),
    );
  };
