import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { formatFileDictPages, parseFileDict } from '../../../dovecot/file-dict.ts';
import { ConflictError } from '../../../errors.ts';
import type { ExportAnnotations } from '../../../metadata/transfer/export-annotations.ts';
import type { ImportAnnotations } from '../../../metadata/transfer/import-annotations.ts';
import { LIMITS } from '../../limits.ts';
import { ErrorReply, ImportView, octets, UserParams, withErrors } from './schemas.ts';

export interface AnnotationRoutesParts {
  importAnnotations: ImportAnnotations;
  exportAnnotations: ExportAnnotations;
  /** Who keeps the annotations; only `dict` can take any in. */
  source: 'dict' | 'doveadm';
}

const ImportQuery = Type.Object({
  'dry-run': Type.Optional(Type.Boolean({ description: 'Only say what would happen' })),
  overwrite: Type.Optional(
    Type.Boolean({ description: 'Whether a value that differs takes the place of the one here' }),
  ),
});

/**
 * `POST /v1/users/:user/annotations` and `GET` of the same: all of one user's annotations, as the file
 * of Dovecot's `file:` dict. They hold secrets: keys of mail-crypt, the VAPID private key.
 */
export const annotationRoutes =
  (parts: AnnotationRoutesParts): FastifyPluginAsyncTypebox =>
  // eslint-disable-next-line @typescript-eslint/require-await -- fastify plugins are asynchronous
  async (app) => {
    app.addContentTypeParser(
      'application/octet-stream',
      { parseAs: 'buffer' },
      (_request, body, done) => {
        done(null, body);
      },
    );

    app.post(
      '/v1/users/:user/annotations',
      {
        bodyLimit: LIMITS.annotations,
        schema: {
          summary: "Take in a user's attribute dict; doing so twice changes nothing",
          operationId: 'importAnnotations',
          params: UserParams,
          querystring: ImportQuery,
          body: octets("The file of Dovecot's file: dict"),
          response: withErrors({ 200: ImportView, 409: ErrorReply }),
        },
      },
      async ({ params: { user }, query, body, log }) => {
        requireDict(parts.source);
        const dict = parseFileDict(Buffer.isBuffer(body) ? body : Buffer.alloc(0));
        const dryRun = query['dry-run'] ?? false;
        const options = { dryRun, overwrite: query.overwrite ?? false };
        const report = await parts.importAnnotations(user, dict.entries, options);
        report.skipped += dict.unreadableKeys;
        if (dict.unreadableKeys > 0) {
          report.warnings.push(`${dict.unreadableKeys} keys are not UTF-8 and were left out`);
        }
        if (!dryRun) log.info({ user }, 'an administrator imported annotations');
        return report;
      },
    );

    app.get(
      '/v1/users/:user/annotations',
      {
        schema: {
          summary: "All of a user's annotations; also those of other plugins, and private keys",
          operationId: 'exportAnnotations',
          params: UserParams,
          response: withErrors({
            200: octets("The file of Dovecot's file: dict"),
            409: ErrorReply,
          }),
        },
      },
      async ({ params: { user }, log }, reply) => {
        requireDict(parts.source);
        const pages = formatFileDictPages(await parts.exportAnnotations(user));
        log.info({ user }, 'an administrator exported annotations');
        return reply.type('application/octet-stream').send(Readable.from(inTurns(pages)));
      },
    );
  };

/** Everybody else is served between two pages. */
async function* inTurns(pages: Iterable<Buffer>): AsyncIterable<Buffer> {
  for (const page of pages) {
    yield page;
    await setImmediate();
  }
}

function requireDict(source: 'dict' | 'doveadm'): void {
  if (source === 'dict') return;
  throw new ConflictError(
    'metadata.source is doveadm: Dovecot keeps the annotations itself, and there is nothing to import or export',
  );
}
