import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { errorMessage, InvalidInputError } from '../../errors.ts';
import { readTransaction } from '../../events/event-schema.ts';
import type { Intake } from '../../events/intake.ts';
import { parseJson } from '../../parse-json.ts';
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
    app.post('/v1/events', { bodyLimit: LIMITS.events }, async (request, reply) => {
      const header = request.headers['coi-events'];
      const transaction = readTransaction(
        typeof header === 'string' ? parseHeader(header) : request.body,
      );
      if (typeof transaction === 'string') throw new InvalidInputError(`body.${transaction}`);
      const taken = await intake.take(transaction);
      return reply.code(taken === 'done' ? 204 : 202).send();
    });
  };

/** Node hands headers over octet by octet; what came is UTF-8. */
function parseHeader(header: string): unknown {
  try {
    return parseJson(Buffer.from(header, 'latin1'));
  } catch (error) {
    throw new InvalidInputError(`the header Coi-Events: ${errorMessage(error)}`, { cause: error });
  }
}
