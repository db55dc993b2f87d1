import swagger from '@fastify/swagger';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { UserAdministration } from '../../metadata/user-administration.ts';
import type { AbuseThrottle } from '../../webpush/subscriptions/abuse-throttle.ts';
import type { Delivery } from '../../webpush/delivery/delivery.ts';
import type { TestReceivers } from '../../webpush/guard/test-receivers.ts';
import type { ForgetUser } from '../../metadata/forget-user.ts';
import { annotationRoutes, type AnnotationRoutesParts } from './admin/annotations.ts';
import { forgetUserRoutes } from './admin/forget-user.ts';
import { outboxRoutes } from './admin/outbox.ts';
import { ErrorSchema } from './admin/schemas.ts';
import { reloadRoutes } from './admin/reload.ts';
import { subscriptionRoutes } from './admin/subscriptions.ts';
import { testReceiverRoutes } from './admin/test-receivers.ts';
import { throttleRoutes } from './admin/throttle.ts';
import { userRoutes } from './admin/users.ts';

export interface AdminRoutesParts extends AnnotationRoutesParts {
  users: UserAdministration;
  forgetUser: ForgetUser;
  throttle: AbuseThrottle;
  testReceivers: TestReceivers;
  delivery: Delivery;
  /** Drops what is kept in memory. */
  forget: () => void;
}

/** What administrators ask and do, and at `GET /v1/openapi.json` the description of it. */
export const adminRoutes =
  (parts: AdminRoutesParts): FastifyPluginAsyncTypebox =>
  async (app) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'coi-sidecar',
          version: '1',
          description: 'The calls of administrators, behind http.admin_token.',
        },
        components: { securitySchemes: { adminToken: { type: 'http', scheme: 'bearer' } } },
        security: [{ adminToken: [] }],
      },
      refResolver: { buildLocalReference: () => 'Error' },
    });
    app.addSchema(ErrorSchema);
    for (const routes of [
      userRoutes(parts.users),
      forgetUserRoutes(parts.forgetUser, parts.source),
      subscriptionRoutes(parts.users),
      throttleRoutes(parts.throttle),
      testReceiverRoutes(parts.testReceivers),
      outboxRoutes(parts.delivery),
      annotationRoutes(parts),
      reloadRoutes(parts.forget),
    ]) {
      void app.register(routes);
    }
    app.get('/v1/openapi.json', { schema: { hide: true } }, ({ protocol, host }) => ({
      ...app.swagger(),
      // Where whoever asks has reached it, be it through a tunnel.
      servers: [{ url: host === '' ? '/' : `${protocol}://${host}/` }],
    }));
  };
