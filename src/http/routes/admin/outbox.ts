import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { NotFoundError } from '../../../errors.ts';
import type { Delivery } from '../../../webpush/delivery/delivery.ts';
import { Nothing, PushView, withErrors } from './schemas.ts';
import { viewPush } from './views.ts';

const DEFAULT_PAGE = 100;

const Page = Type.Object({
  after: Type.Optional(Type.Integer({ minimum: 0, description: 'The last id seen' })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000, description: '100 if absent' })),
});

const OutboxPage = Type.Object({
  owed: Type.Integer({ description: 'Pushes in all' }),
  pushes: Type.Array(PushView),
  next: Type.Optional(Type.Integer({ description: 'The next page\'s "after"; absent at the end' })),
});

const PushParams = Type.Object({ id: Type.Integer({ minimum: 1 }) });

/** `GET /v1/outbox`, `DELETE /v1/outbox/:id`. */
export const outboxRoutes =
  (delivery: Delivery): FastifyPluginAsyncTypebox =>
  // eslint-disable-next-line @typescript-eslint/require-await -- fastify plugins are asynchronous
  async (app) => {
    app.get(
      '/v1/outbox',
      {
        schema: {
          summary: 'The pushes that are owed, the oldest first; neither endpoints nor payloads',
          operationId: 'listOutbox',
          querystring: Page,
          response: withErrors({ 200: OutboxPage }),
        },
      },
      async ({ query: { after = 0, limit = DEFAULT_PAGE } }) => {
        const pushes = await delivery.list(after, limit);
        const next = pushes.length === limit ? pushes.at(-1)?.id : undefined;
        const { owed } = delivery.levels();
        return { owed, pushes: pushes.map(viewPush), ...(next !== undefined && { next }) };
      },
    );

    app.delete(
      '/v1/outbox/:id',
      {
        schema: {
          summary: 'Owe a push no longer',
          operationId: 'dropPush',
          params: PushParams,
          response: withErrors({ 204: Nothing }),
        },
      },
      async ({ params: { id }, log }, reply) => {
        if (!(await delivery.drop(id))) throw new NotFoundError(`no push ${id} is owed`);
        log.info({ push: id }, 'an administrator dropped a push');
        return reply.code(204).send(null);
      },
    );
  };
