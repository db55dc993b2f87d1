import type {
  FastifyPluginAsyncTypebox,
  TypeBoxTypeProvider,
} from '@fastify/type-provider-typebox';
import fastify, { LogController, type FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import type { Classify } from '../coi/classify.ts';
import type { Intake } from '../events/intake.ts';
import type { Probes } from '../events/probes.ts';
import { NotFoundError } from '../errors.ts';
import type { Logger } from '../logging.ts';
import type { ReadinessCheck } from '../readiness.ts';
import { parseJson } from '../parse-json.ts';
import type { BodyBudget } from '../socket/body-budget.ts';
import { authorize, type AuthScheme } from './authorize.ts';
import { boundBodies } from './bound-bodies.ts';
import { handleError, refuseNoRequest, refuseUnknownPath } from './handle-error.ts';
import { compileValidator } from './compile-validator.ts';
import { limitConnections } from './limit-connections.ts';
import { LIMITS } from './limits.ts';
import { classifyRoutes } from './routes/classify.ts';
import { eventRoutes } from './routes/events.ts';
import { healthRoutes } from './routes/health.ts';
import { imapCommandRoutes, type OnMetadataCommand } from './routes/imap-commands.ts';
import { oxEventRoutes } from './routes/ox-events.ts';
import { probeRoutes } from './routes/probes.ts';

export interface HttpServerParts {
  log: Logger;
  /** Dovecot's token, asked for with each request. */
  readonly token: string;
  /** The admin's token, the same; the admin routes exist only if there is one at the start. */
  readonly adminToken: string;
  intake: Pick<Intake, 'take'>;
  classify: Classify;
  probes: Probes;
  onMetadataCommand: OnMetadataCommand;
  checks: readonly ReadinessCheck[];
  registry: Registry;
  /** What bodies that are still coming in share, here and on the script socket. */
  bodies: BodyBudget;
  /** Milliseconds that never step back. */
  monotonic: () => number;
  adminRoutes?: FastifyPluginAsyncTypebox;
  /** For people with a browser; behind the admin's token as well. */
  statusRoutes?: FastifyPluginAsyncTypebox;
}

/** The HTTP doors, wired but not listening. */
export function createHttpServer(parts: HttpServerParts): FastifyInstance {
  const app = fastify({
    loggerInstance: parts.log,
    // A line for each delivery would drown what matters; /metrics counts them.
    logController: new LogController({ disableRequestLogging: true }),
    // Dovecot keeps connections open between deliveries.
    keepAliveTimeout: 75_000,
    // Fastify has none, and whoever vanished amid a request would be waited for for ever.
    requestTimeout: LIMITS.headersMsecs + LIMITS.bodyMsecs,
    http: {
      headersTimeout: LIMITS.headersMsecs,
      connectionsCheckingInterval: 5_000,
      requireHostHeader: false, // limitConnections sees to it
    },
    // As a proxy is asked (RFC 9112 section 3.2.2): so Dovecot 2.4 asks over a unix socket.
    rewriteUrl: ({ url = '/' }) => url.replace(/^http:\/\/[^/?#]*/i, '') || '/',
    frameworkErrors: handleError,
    clientErrorHandler: refuseNoRequest,
    // A user's name is longer than the 100 characters that are usual for a part of a path.
    routerOptions: { maxParamLength: LIMITS.pathParameter },
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.setValidatorCompiler(compileValidator);
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, body.length === 0 ? undefined : parseJson(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
  app.setErrorHandler(handleError);
  app.setNotFoundHandler(refuseUnknownPath);
  app.addHook('preParsing', boundBodies(parts.bodies));
  limitConnections(app.server, LIMITS.connections, () => {
    parts.log.warn('too many HTTP connections: one that was idle, or the new one, was closed');
  });

  const { checks, registry, monotonic } = parts;
  void app.register(healthRoutes(checks, registry, monotonic));
  void app.register(
    guarded(
      () => parts.token,
      'coi_sidecar_token in Dovecot, or the password in its URL, must equal http.token',
      [
        eventRoutes(parts.intake),
        oxEventRoutes(parts.intake),
        classifyRoutes(parts.classify),
        imapCommandRoutes(parts.onMetadataCommand),
        probeRoutes(parts.probes),
      ],
    ),
  );
  const { adminRoutes, statusRoutes } = parts;
  const adminToken = (): string => parts.adminToken;
  if (adminToken() !== '') {
    const remedy = 'an administrator must show http.admin_token';
    // Bearer only: credentials that a browser keeps for the page go along with whatever a foreign
    // site has it send here. The page changes nothing; these calls do.
    if (adminRoutes) void app.register(guarded(adminToken, remedy, [adminRoutes], ['bearer']));
    if (statusRoutes) void app.register(guarded(adminToken, remedy, [statusRoutes], BROWSERS));
  } else if (statusRoutes) {
    app.get('/', () => {
      throw new NotFoundError('there is a status page once http.admin_token is set');
    });
  }
  return app as unknown as FastifyInstance;
}

/** A browser asks its user for name and password when it is told to. */
const BROWSERS = ['basic', 'bearer'] as const;

/** Routes behind one token, each in a scope of its own. */
const guarded =
  (
    token: () => string,
    remedy: string,
    routes: readonly FastifyPluginAsyncTypebox[],
    schemes: readonly AuthScheme[] = ['bearer', 'basic'],
  ): FastifyPluginAsyncTypebox =>
  // eslint-disable-next-line @typescript-eslint/require-await -- fastify plugins are asynchronous
  async (app) => {
    app.addHook('onRequest', authorize(token, remedy, schemes));
    for (const route of routes) void app.register(route);
  };
