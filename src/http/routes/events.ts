import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { errorMessage, InvalidInputError } from '../../errors.ts';
import { TransactionSchema } from '../../events/event-schema.ts';
import type { Intake } from '../../events/intake.ts';
import { LIMITS } from '../limits.ts';

/**
 * `POST /v1/events`: one Dovecot transaction; 204 once it is done, 202 once it is on disk and will be. It
 * comes as the body or, if it is short, in the header `Coi-Events`: before it sends a body, Dovecot
 * asks whether it may ("Expect: 100-continue") and waits for the answer.
 */
export const eventRoutes =
  (intake: Pick<Intake, 'take'>): FastifyPluginAsyncTypebox =>
  // eslint-disable-next-line @typescript-eslint/require-await -- fastify plugins are asynchronous
  async (app) => {
    app.addHook('preValidation', readHeader);
    app.post(
      '/v1/events',
      { bodyLimit: LIMITS.events, schema: { body: TransactionSchema } },
      async (request, reply) => {
        const taken = await intake.take(request.body);
        return reply.code(taken === 'done' ? 204 : 202).send();
      },
    );
  };

function readHeader(request: FastifyRequest, _reply: unknown, done: (error?: Error) => void): void {
  const header = request.headers['coi-events'];
  if (typeof header !== 'string') {
    done();
    return;
  }
  try {
    // Node hands headers over octet by octet; what came is UTF-8.
    request.body = JSON.parse(Buffer.from(header, 'latin1').toString());
    done();
  } catch (error) {
    done(new InvalidInputError(`the header Coi-Events is not JSON: ${errorMessage(error)}`));
  }
}
