import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { NotFoundError } from '../../../errors.ts';
import type { AbuseThrottle } from '../../../webpush/subscriptions/abuse-throttle.ts';
import { Nothing, ThrottleView, UserParams, withErrors } from './schemas.ts';
import { viewThrottle } from './views.ts';

const ThrottledReply = Type.Object({
  users: Type.Array(Type.Object({ user: Type.String(), ...ThrottleView.properties })),
});

/** `GET /v1/throttled`, `DELETE /v1/users/:user/throttle`. */
export const throttleRoutes =
  (throttle: AbuseThrottle): FastifyPluginAsyncTypebox =>
  // eslint-disable-next-line @typescript-eslint/require-await -- fastify plugins are asynchronous
  async (app) => {
    app.get(
      '/v1/throttled',
      {
        schema: {
          summary:
            'Users whose subscriptions are refused at the moment, after too many bad annotations',
          operationId: 'listThrottled',
          response: withErrors({ 200: ThrottledReply }),
        },
      },
      () => ({
        users: throttle.snapshot().map((one) => ({ user: one.user, ...viewThrottle(one) })),
      }),
    );

    app.delete(
      '/v1/users/:user/throttle',
      {
        schema: {
          summary: 'Forget what was refused to a user, and let them in again',
          operationId: 'liftThrottle',
          params: UserParams,
          response: withErrors({ 204: Nothing }),
        },
      },
      async ({ params: { user }, log }, reply) => {
        if (!throttle.lift(user)) {
          throw new NotFoundError(`nothing was refused to the user ${JSON.stringify(user)} lately`);
        }
        log.info({ user }, 'an administrator lifted a throttle');
        return reply.code(204).send(null);
      },
    );
  };
