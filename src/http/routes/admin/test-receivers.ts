import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { NotFoundError } from '../../../errors.ts';
import { TEST_RECEIVER_HOST, type TestReceivers } from '../../../webpush/guard/test-receivers.ts';
import { ErrorReply, Nothing, Time, withErrors } from './schemas.ts';

const PortParams = Type.Object({
  port: Type.Integer({ minimum: 1_024, maximum: 65_535, description: 'On 127.0.0.1' }),
});

const AdmittedReply = Type.Object({
  origin: Type.String({ description: 'Endpoints below it are let through' }),
  until: Time,
});

/** `PUT` and `DELETE /v1/test-receivers/:port`. */
export const testReceiverRoutes =
  (receivers: TestReceivers): FastifyPluginAsyncTypebox =>
  // eslint-disable-next-line @typescript-eslint/require-await -- fastify plugins are asynchronous
  async (app) => {
    app.put(
      '/v1/test-receivers/:port',
      {
        schema: {
          summary:
            'Let pushes through to a port of 127.0.0.1 for two minutes, past guard and proxy',
          operationId: 'admitTestReceiver',
          params: PortParams,
          response: withErrors({ 200: AdmittedReply, 409: ErrorReply }),
        },
      },
      ({ params: { port }, log }) => {
        const until = new Date(receivers.admit(port)).toISOString();
        log.info({ port, until }, 'an administrator let pushes through to a test receiver');
        return { origin: `http://${TEST_RECEIVER_HOST}:${port}`, until };
      },
    );

    app.delete(
      '/v1/test-receivers/:port',
      {
        schema: {
          summary: 'Let pushes through to that port no longer',
          operationId: 'dismissTestReceiver',
          params: PortParams,
          response: withErrors({ 204: Nothing }),
        },
      },
      async ({ params: { port } }, reply) => {
        if (!receivers.dismiss(port)) {
          throw new NotFoundError(`no test receiver was let through on port ${port}`);
        }
        return reply.code(204).send(null);
      },
    );
  };
