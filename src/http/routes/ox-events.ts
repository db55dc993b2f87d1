import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Intake } from '../../events/intake.ts';
import { fromOxNotification, OxNotificationSchema } from '../../events/ox-road/ox-notification.ts';
import { LIMITS } from '../limits.ts';

/**
 * `PUT /v1/ox-events`, the one method that the `ox` driver uses: one delivered message, which from
 * here on goes the way of `POST /v1/events`.
 */
export const oxEventRoutes =
  (intake: Pick<Intake, 'take'>): FastifyPluginAsyncTypebox =>
  // eslint-disable-next-line @typescript-eslint/require-await -- fastify plugins are asynchronous
  async (app) => {
    app.put(
      '/v1/ox-events',
      { bodyLimit: LIMITS.oxEvent, schema: { body: OxNotificationSchema } },
      async (request, reply) => {
        const taken = await intake.take(fromOxNotification(request.body));
        return reply.code(taken === 'done' ? 204 : 202).send();
      },
    );
  };
