import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { PageAssets } from '../status/page-assets.ts';

export interface StatusRoutesParts {
  /** The page as it is now, as HTML. */
  page: () => Promise<string>;
  assets: PageAssets;
}

/** Nothing but what comes from here: no other source, no inline script or style, no frame around it. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** `GET /`: what goes on, for a person with a browser. */
export const statusRoutes =
  ({
    page,
    assets: { style, script, icons, documents },
  }: StatusRoutesParts): FastifyPluginAsyncTypebox =>
  // eslint-disable-next-line @typescript-eslint/require-await -- fastify plugins are asynchronous
  async (app) => {
    app.addHook('onSend', (_request, reply, payload, done) => {
      void reply.headers({
        'content-security-policy': POLICY,
        'cross-origin-resource-policy': 'same-origin',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
      });
      done(null, payload);
    });
    app.get('/', async (_request, reply) =>
      reply
        .type('text/html; charset=utf-8')
        .header('cache-control', 'no-store')
        .send(await page()),
    );
    const kept = [style, script, ...Object.values(icons), ...Object.values(documents)];
    for (const { path, type, body } of kept) {
      app.get(path, (_request, reply) =>
        reply.type(type).header('cache-control', 'private, max-age=31536000, immutable').send(body),
      );
    }
  };
