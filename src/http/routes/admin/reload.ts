import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { withErrors } from './schemas.ts';

const ReloadReply = Type.Object({
  dropped: Type.Array(Type.String(), { description: 'What is read anew when it is next needed' }),
});

/** `POST /v1/reload`: drops what is kept in memory. The configuration is read at start only. */
export const reloadRoutes =
  (forget: () => void): FastifyPluginAsyncTypebox =>
  // eslint-disable-next-line @typescript-eslint/require-await -- fastify plugins are asynchronous
  async (app) => {
    app.post(
      '/v1/reload',
      {
        schema: {
          summary: 'Drop cached settings and VAPID keys, so that they are read anew',
          operationId: 'reload',
          response: withErrors({ 200: ReloadReply }),
        },
      },
      ({ log }) => {
        forget();
        log.info('an administrator had the caches dropped');
        return { dropped: ['settings', 'VAPID keys'] };
      },
    );
  };
