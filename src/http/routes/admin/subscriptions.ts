import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { UserAdministration } from '../../../metadata/user-administration.ts';
import {
  Nothing,
  SubscriptionParams,
  TestView,
  UserParams,
  VapidView,
  withErrors,
} from './schemas.ts';
import { viewTest, viewVapid } from './views.ts';

const TestQuery = Type.Object({
  id: Type.Optional(
    Type.String({ maxLength: 128, description: 'One subscription; all validated ones if absent' }),
  ),
});

const TestReply = Type.Object({ user: Type.String(), results: Type.Array(TestView) });

const RotateReply = Type.Object({
  user: Type.String(),
  ...VapidView.properties,
  removedSubscriptions: Type.Integer(),
  note: Type.String(),
});

const ROTATED =
  'Subscriptions are tied to the key that they were made with: all were removed. Clients notice, read the new key and subscribe again.';

/** What is done to a user's subscriptions and to the key behind them. */
export const subscriptionRoutes =
  (users: UserAdministration): FastifyPluginAsyncTypebox =>
  // eslint-disable-next-line @typescript-eslint/require-await -- fastify plugins are asynchronous
  async (app) => {
    app.delete(
      '/v1/users/:user/subscriptions/:id',
      {
        schema: {
          summary: 'Remove a subscription; what it is still owed is dropped',
          operationId: 'removeSubscription',
          params: SubscriptionParams,
          response: withErrors({ 204: Nothing }),
        },
      },
      async ({ params: { user, id }, log }, reply) => {
        await users.removeSubscription(user, id);
        log.info({ user, id }, 'an administrator removed a subscription');
        return reply.code(204).send(null);
      },
    );

    app.post(
      '/v1/users/:user/push-test',
      {
        schema: {
          summary: 'Send a test push and say what the push services answer',
          operationId: 'testPush',
          params: UserParams,
          querystring: TestQuery,
          response: withErrors({ 200: TestReply }),
        },
      },
      async ({ params: { user }, query: { id } }) => ({
        user,
        results: (await users.testPush(user, id)).map(viewTest),
      }),
    );

    app.post(
      '/v1/users/:user/vapid/rotate',
      {
        schema: {
          summary:
            'Make a new VAPID key and remove all subscriptions, which are tied to the old one',
          operationId: 'rotateVapid',
          params: UserParams,
          response: withErrors({ 200: RotateReply }),
        },
      },
      async ({ params: { user }, log }) => {
        const { key, removed } = await users.rotateVapid(user);
        log.info({ user, removed }, 'an administrator replaced a VAPID key');
        return { user, ...viewVapid(key), removedSubscriptions: removed, note: ROTATED };
      },
    );
  };
