import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Probes } from '../../events/probes.ts';

const Params = Type.Object({ id: Type.String({ pattern: '^[0-9a-f-]{36}$' }) });

/** `GET /v1/probes/:id`: what came of a message with which `coi-sidecar doctor` tries the roads. */
export const probeRoutes =
  (probes: Probes): FastifyPluginAsyncTypebox =>
  // eslint-disable-next-line @typescript-eslint/require-await -- fastify plugins are asynchronous
  async (app) => {
    app.get('/v1/probes/:id', { schema: { params: Params } }, ({ params }) =>
      probes.report(params.id),
    );
  };
