import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { TransactionSchema } from '../../events/event-schema.ts';
import type { Intake } from '../../events/intake.ts';
import { LIMITS } from '../limits.ts';

/** `POST /v1/events`: one Dovecot transaction; 204 once it is done, 202 once it is owed on disk. */
export const eventRoutes =
  (intake: Intake): FastifyPluginAsyncTypebox =>
  // eslint-disable-next-line @typescript-eslint/require-await -- fastify plugins are asynchronous
  async (app) => {
    app.post(
      '/v1/events',
      { bodyLimit: LIMITS.events, schema: { body: TransactionSchema } },
      async (request, reply) => {
        const taken = await intake.take(request.body);
        return reply.code(taken === 'done' ? 204 : 202).send();
      },
    );
  };
