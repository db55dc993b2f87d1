import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { UserAdministration } from '../../../metadata/user-administration.ts';
import { UserParams, UserSummaryView, UserView, withErrors } from './schemas.ts';
import { viewSummary, viewUser } from './views.ts';

const DEFAULT_PAGE = 100;

const Page = Type.Object({
  after: Type.Optional(Type.String({ maxLength: 1_024, description: 'The last name seen' })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000, description: '100 if absent' })),
});

const UserPage = Type.Object({
  users: Type.Array(UserSummaryView),
  next: Type.Optional(Type.String({ description: 'The next page\'s "after"; absent at the end' })),
});

/** `GET /v1/users`, `GET /v1/users/:user`. */
export const userRoutes =
  (users: UserAdministration): FastifyPluginAsyncTypebox =>
  // eslint-disable-next-line @typescript-eslint/require-await -- fastify plugins are asynchronous
  async (app) => {
    app.get(
      '/v1/users',
      {
        schema: {
          summary: 'Users with settings, subscriptions or annotations, in the order of their names',
          operationId: 'listUsers',
          querystring: Page,
          response: withErrors({ 200: UserPage }),
        },
      },
      async ({ query: { after = '', limit = DEFAULT_PAGE } }) => {
        const page = await users.list(after, limit);
        const next = page.length === limit ? page.at(-1)?.user : undefined;
        return { users: page.map(viewSummary), ...(next !== undefined && { next }) };
      },
    );

    app.get(
      '/v1/users/:user',
      {
        schema: {
          summary: 'All about one user, as the service sees it',
          operationId: 'showUser',
          params: UserParams,
          response: withErrors({ 200: UserView }),
        },
      },
      async ({ params }) => viewUser(await users.inspect(params.user)),
    );
  };
