import { startConnectProxy } from '../../../support/connect-proxy.ts';
import { standInForNameService } from '../../../support/name-service.ts';
import { startPushService } from '../../../support/push-service.ts';
import type { Break, Seed } from '../seeded-faults.ts';

const HERE = { allow_private_endpoints: ['127.0.0.1', 'localhost', 'gone.example.org'] };

/** Examines while a push service is there, over a proxy if one is given. */
const withService =
  (options: Parameters<typeof startPushService>[0], webpush: Record<string, unknown> = {}): Break =>
  async (_rig, examine) => {
    const service = await startPushService(options);
    try {
      return await examine({
        reach: [service.origin],
        config: { webpush: { ...HERE, ...webpush } },
      });
    } finally {
      await service.close();
    }
  };

const withProxy =
  (options: Parameters<typeof startConnectProxy>[0]): Break =>
  async (rig, examine) => {
    const proxy = await startConnectProxy(options);
    try {
      return await withService({ tls: false }, { proxy_url: proxy.url })(rig, examine);
    } finally {
      await proxy.close();
    }
  };

const all: readonly Seed[] = [
  {
    fault: 'push-services.name',
    break: async (_rig, examine) => {
      const names = standInForNameService();
      names.set('gone.example.org', null);
      try {
        return await examine({ reach: ['https://gone.example.org'], config: { webpush: HERE } });
      } finally {
        names.restore();
      }
    },
  },
  {
    fault: 'push-services.connection',
    says: /ECONNREFUSED/,
    break: () => ({ reach: ['https://127.0.0.1:1'], config: { webpush: HERE } }),
  },
  {
    fault: 'push-services.tls',
    break: withService({}, { ca_file: '' }),
  },
  {
    fault: 'push-services.guard',
    says: /not public/,
    break: withService({ tls: false }, { allow_private_endpoints: [] }),
  },
  {
    fault: 'push-services.proxy',
    says: /opens no way to http:/,
    break: withProxy({ refuse: 403 }),
  },
  {
    fault: 'push-services.proxy',
    cause: 'it is not there, and no push service was named',
    says: /ECONNREFUSED/,
    break: () => ({ config: { webpush: { proxy_url: 'http://127.0.0.1:1' } } }),
  },
  {
    fault: 'push-services.proxy-credentials',
    break: withProxy({ credentials: { username: 'a', password: 'b' } }),
  },
  {
    fault: 'push-services.clock',
    says: /60 min/,
    break: withService({
      tls: false,
      answer: (response) =>
        void response
          .writeHead(404, { date: new Date(Date.now() + 3_600_000).toUTCString() })
          .end(),
    }),
  },
];

/** None of them has to do with the version of Dovecot. */
export const outsideFaults = all.map((seed): Seed => ({ versions: ['2.3'], ...seed }));
