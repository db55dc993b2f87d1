import { buildConnector } from 'undici';
import type { Connector, GuardedConnectorOptions } from '../guard/guarded-connector.ts';
import { judgeHost, type Destination } from '../guard/judge-host.ts';
import type { ResolvedAddress } from '../guard/resolve-host.ts';
import type { Proxy } from './parse-proxy-url.ts';
import { openTunnel } from './open-tunnel.ts';
import { ProxyError } from './proxy-error.ts';

export interface ProxyConnectorOptions extends GuardedConnectorOptions {
  proxy: Proxy;
  /** Told of every attempt to open a tunnel: undefined when the proxy did its work. */
  onProxy: (error: unknown) => void;
}

/**
 * Makes undici's connections to one destination through a proxy. What the proxy resolved itself would be
 * out of the guard's sight, and a name server may say one thing here and another there: so the name is
 * resolved and judged here, and the proxy is asked for the judged address. TLS and the Host header inside
 * the tunnel are the name's.
 *
 * A host that `allow_private_endpoints` lists is not resolved here, and the proxy is asked for its name:
 * that is for proxies that allow by name only, and where only the proxy can resolve outside names.
 */
export function createProxyConnector(
  destination: Destination,
  options: ProxyConnectorOptions,
): Connector {
  const { policy, resolve, proxy, timeoutMsecs, secureContext, onProxy } = options;
  const { host, port, protocol } = destination;
  const secure = buildConnector({
    allowH2: false,
    timeout: timeoutMsecs,
    secureContext,
  });
  const open = async (target: string): ReturnType<typeof openTunnel> => {
    const authority = `${target.includes(':') ? `[${target}]` : target}:${port}`;
    try {
      const socket = await openTunnel(authority, { proxy, timeoutMsecs, secureContext });
      onProxy(undefined);
      return socket;
    } catch (error) {
      onProxy(error);
      throw error;
    }
  };
  const openJudged = async (): ReturnType<typeof openTunnel> => {
    if (policy.allowsHost(host, port)) return open(host);
    const addresses = await judgeHost(destination, policy, resolve);
    const [first, second] = onePerFamily(addresses);
    try {
      return await open(first);
    } catch (error) {
      // The proxy may have no way to addresses of the one family.
      const unreachable = error instanceof ProxyError && error.kind === 'refused';
      if (!unreachable || second === undefined) throw error;
      return open(second);
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

/** The first address of each family, in the order given; {@link judgeHost} finds one at least. */
function onePerFamily(addresses: readonly ResolvedAddress[]): [string, string | undefined] {
  const [first] = addresses;
  const second = addresses.find(({ family }) => family !== first?.family);
  return [first?.address ?? '', second?.address];
}
