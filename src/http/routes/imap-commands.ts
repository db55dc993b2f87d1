import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { UserName } from '../../events/event-schema.ts';
import { LIMITS } from '../limits.ts';

/** What Dovecot's event exporter sends with `format = json`; only user and command matter here. */
const ExportedEvent = Type.Object({
  event: Type.String({ maxLength: 128 }),
  fields: Type.Object({
    /** Empty before anyone logged in. */
    user: Type.Optional(Type.Union([UserName, Type.Literal('')])),
    cmd_name: Type.Optional(Type.String({ maxLength: 64 })),
  }),
});

/** @param command its name as Dovecot has it, in upper case */
export type OnMetadataCommand = (user: string, command: string | undefined) => void;

/**
 * `POST /v1/imap-commands`: a user issued a metadata command (`metadata.source: doveadm`). The
 * answer does not wait for the work; Dovecot would only throw it away.
 */
export const imapCommandRoutes =
  (onMetadataCommand: OnMetadataCommand): FastifyPluginAsyncTypebox =>
  // eslint-disable-next-line @typescript-eslint/require-await -- fastify plugins are asynchronous
  async (app) => {
    app.post(
      '/v1/imap-commands',
      { bodyLimit: LIMITS.notice, schema: { body: ExportedEvent } },
      async (request, reply) => {
        const { user, cmd_name: command } = request.body.fields;
        if (user !== undefined && user !== '') onMetadataCommand(user, command);
        return reply.code(204).send();
      },
    );
  };
