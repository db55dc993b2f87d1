import { buildConnector } from 'undici';
import type { Connector, GuardedConnectorOptions } from '../guard/guarded-connector.ts';
import { judgeHost, type Destination } from '../guard/judge-host.ts';
import type { Proxy } from './parse-proxy-url.ts';
import { openTunnel } from './open-tunnel.ts';

export interface ProxyConnectorOptions extends GuardedConnectorOptions {
  proxy: Proxy;
  /** Told of every attempt to open a tunnel: undefined when the proxy did its work. */
  onProxy: (error: unknown) => void;
}

/**
 * Makes undici's connections to one destination through a proxy. The proxy resolves the name itself, out
 * of the guard's sight, so the name is resolved and judged here first; the proxy is asked for the name
 * all the same, because proxies allow and log by name. A host that `allow_private_endpoints` lists is
 * not resolved: that helps where only the proxy can resolve outside names.
 */
export function createProxyConnector(
  destination: Destination,
  options: ProxyConnectorOptions,
): Connector {
  const { policy, resolve, proxy, timeoutMsecs, secureContext, onProxy } = options;
  const { host, port, protocol } = destination;
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const secure = buildConnector({
    allowH2: false,
    timeout: timeoutMsecs,
    ...(secureContext && { secureContext }),
  });
  const openJudged = async (): ReturnType<typeof openTunnel> => {
    if (!policy.allowsHost(host, port)) await judgeHost(destination, policy, resolve);
    try {
      const socket = await openTunnel(authority, { proxy, timeoutMsecs, secureContext });
      onProxy(undefined);
      return socket;
    } catch (error) {
      onProxy(error);
      throw error;
    }
  };
  return (target, callback) => {
    openJudged().then(
      (tunnel) => {
        // Undici hands over the connection itself, and types it as the Duplex that it also is.
        // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment
        const socket = tunnel as NonNullable<buildConnector.Options['httpSocket']>;
        if (protocol === 'https:') secure({ ...target, httpSocket: socket }, callback);
        else callback(null, socket);
      },
      (error: unknown) => callback(error as Error, null),
    );
  };
}
