import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { LRUCache } from 'lru-cache';
import { Pool } from 'undici';
import { systemClock, type Clock } from '../../clock.ts';
import { createGuardedConnector } from '../guard/guarded-connector.ts';
import type { GuardPolicy } from '../guard/guard-policy.ts';
import { hostOf, judgeUrl, portOf } from '../guard/judge-endpoint.ts';
import { createHostResolver, type ResolveHost } from '../guard/resolve-host.ts';
import type { PushRequest } from '../request/build-push-request.ts';
import type { AttemptResult } from './attempt-result.ts';
import type { Exchange } from './exchange.ts';
import type { Proxy } from './parse-proxy-url.ts';
import { createProxyConnector } from './proxy-connector.ts';
import { ProxyError, type ProxyFault } from './proxy-error.ts';
import { sendOver } from './send-over.ts';
import { WatchedClient } from './watched-client.ts';

export interface PushClientOptions {
  /** `webpush.timeout_msecs`: one deadline over name, proxy and TLS. */
  timeoutMsecs: number;
  /** `webpush.answer_timeout_msecs`: how long the answer may take after that; as long unless given. */
  answerMsecs?: number;
  policy: GuardPolicy;
  proxy?: Proxy | undefined;
  /** Certificate authorities in PEM, trusted on top of Node's own (and NODE_EXTRA_CA_CERTS). */
  ca?: readonly string[];
  /** Connections to one push service; at least as many as the delivery has attempts under way and overdue. */
  connectionsPerOrigin?: number;
  /** Push services whose connections are kept open. */
  maxOrigins?: number;
  /** Told of every exchange: the rawlog. Must not throw. */
  onExchange?: ((exchange: Exchange) => void) | undefined;
  /** Given by tests. */
  resolve?: ResolveHost;
  clock?: Clock;
}

export type ProxyState = 'none' | 'unknown' | 'ok' | ProxyFault;

export interface PushClient {
  /** Sends once; resolves always, within the deadlines. `user` is for the rawlog. */
  send(request: PushRequest, user: string): Promise<AttemptResult>;
  /** How the proxy did when it was last asked for a connection. */
  proxyState(): ProxyState;
  /** Cuts off whatever is still going on. */
  close(): Promise<void>;
}

/** With what may change while the service runs. */
export interface AdaptablePushClient extends PushClient {
  /** From now on connections are made so; those that are in use end as they are. */
  adapt(connections: Pick<PushClientOptions, 'proxy' | 'ca'>): void;
}

/** How long an unused connection is kept, where the service says nothing of it itself. */
const KEEP_ALIVE_MSECS = 20_000;
const KEEP_ALIVE_MAX_MSECS = 120_000;

/** Of an answer; past it, what its status line says is all that is read. */
const MAX_HEADER_OCTETS = 65_536;

/** Sends pushes: HTTP/1.1, a bounded pool of connections per push service, nothing past the guard. */
export function createPushClient(options: PushClientOptions): AdaptablePushClient {
  const { timeoutMsecs, policy, onExchange } = options;
  let { proxy } = options;
  const deadlines = {
    connectMsecs: timeoutMsecs,
    answerMsecs: Math.max(timeoutMsecs, options.answerMsecs ?? 0),
  };
  const clock = options.clock ?? systemClock;
  const resolve = options.resolve ?? createHostResolver(timeoutMsecs);
  let secureContext = trust(options.ca ?? []);
  let proxyState: ProxyState = proxy === undefined ? 'none' : 'unknown';
  const onProxy = (error: unknown): void => {
    if (error === undefined) proxyState = 'ok';
    else proxyState = error instanceof ProxyError ? error.kind : 'down';
  };
  const closing = new Set<Pool>();
  const pools = new LRUCache<string, Pool>({
    max: options.maxOrigins ?? 256,
    dispose: (pool) => {
      closing.add(pool);
      const forget = (): boolean => closing.delete(pool);
      // It is destroyed before it could close when the whole client ends.
      pool.close().then(forget, forget);
    },
  });

  const poolFor = (url: URL): Pool => {
    const known = pools.get(url.origin);
    if (known !== undefined) return known;
    const destination = { protocol: url.protocol, host: hostOf(url), port: portOf(url) };
    const guarded = { policy, resolve, timeoutMsecs, secureContext };
    const pool = new Pool(url.origin, {
      connections: options.connectionsPerOrigin ?? 128,
      allowH2: false,
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: MAX_HEADER_OCTETS,
      keepAliveTimeout: KEEP_ALIVE_MSECS,
      keepAliveMaxTimeout: KEEP_ALIVE_MAX_MSECS,
      connect:
        proxy === undefined || policy.isTestReceiver(destination.host, destination.port)
          ? createGuardedConnector(destination, guarded)
          : createProxyConnector(destination, { ...guarded, proxy, onProxy }),
      factory: (origin, opts) =>
        new WatchedClient(origin, opts as ConstructorParameters<typeof WatchedClient>[1]),
    });
    pools.set(url.origin, pool);
    return pool;
  };

  return {
    async send(request, user) {
      const refusal = judgeUrl(request.url, policy);
      if (refusal !== undefined) return { kind: 'failed', reason: 'guard', detail: refusal };
      const startedAt = clock.now();
      const started = clock.monotonic();
      const { result, response } = await sendOver(poolFor(request.url), request, deadlines);
      const elapsedMsecs = clock.monotonic() - started;
      onExchange?.({
        user,
        request,
        startedAt,
        elapsedMsecs,
        result,
        ...(response && { response }),
      });
      return result;
    },
    proxyState: () => proxyState,
    adapt: (connections) => {
      secureContext = trust(connections.ca ?? []);
      ({ proxy } = connections);
      proxyState = proxy === undefined ? 'none' : 'unknown';
      pools.clear();
    },
    async close() {
      const all = [...pools.values(), ...closing];
      pools.clear();
      await Promise.all(all.map((pool) => pool.destroy()));
    },
  };
}

/** Made once: each connection that is given none makes its own, which takes longer than the rest of it. */
function trust(ca: readonly string[]): SecureContext {
  return createSecureContext(
    ca.length === 0 ? {} : { ca: [...getCACertificates('default'), ...ca] },
  );
}
