import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { ForgetUser } from '../../../metadata/forget-user.ts';
import { ErrorReply, ForgottenView, UserParams, withErrors } from './schemas.ts';

const ForgetQuery = Type.Object({
  force: Type.Optional(
    Type.Boolean({ description: 'Also while Dovecot knows the user, or cannot be asked' }),
  ),
});

const STAYS_IN_DOVECOT =
  "With metadata.source doveadm the annotations themselves are in Dovecot's own dict, and stay there until they are removed there. As long as Dovecot knows the user, they are read anew.";

/** `DELETE /v1/users/:user` */
export const forgetUserRoutes =
  (forgetUser: ForgetUser, source: 'dict' | 'doveadm'): FastifyPluginAsyncTypebox =>
  // eslint-disable-next-line @typescript-eslint/require-await -- fastify plugins are asynchronous
  async (app) => {
    app.delete(
      '/v1/users/:user',
      {
        schema: {
          summary: 'Forget a user whose account was deleted: remove all that is kept of them',
          operationId: 'forgetUser',
          params: UserParams,
          querystring: ForgetQuery,
          response: withErrors({ 200: ForgottenView, 409: ErrorReply }),
        },
      },
      async ({ params: { user }, query: { force = false }, log }) => {
        const forgotten = await forgetUser(user, { force });
        log.info(forgotten, 'an administrator had a user forgotten');
        return { user, ...forgotten, ...(source === 'doveadm' && { note: STAYS_IN_DOVECOT }) };
      },
    );
  };
