import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { formatClassification, type Classify } from '../../coi/classify.ts';
import { UserName } from '../../events/event-schema.ts';
import { LIMITS } from '../limits.ts';

const Query = Type.Object({ user: UserName });

/**
 * `POST /v1/classify?user=…` with the whole message as body, whatever its Content-Type: the answer
 * is the line that the Sieve script expects, as text.
 */
export const classifyRoutes =
  (classify: Classify): FastifyPluginAsyncTypebox =>
  // eslint-disable-next-line @typescript-eslint/require-await -- fastify plugins are asynchronous
  async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => {
      done(null, body);
    });
    app.post(
      '/v1/classify',
      {
        bodyLimit: LIMITS.message,
        config: { bodyMsecs: LIMITS.messageMsecs },
        schema: { querystring: Query },
      },
      async (request, reply) => {
        const message = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        const classification = await classify(request.query.user, message);
        return reply.type('text/plain; charset=utf-8').send(formatClassification(classification));
      },
    );
  };
