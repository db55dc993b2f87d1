import type { SecureContext } from 'node:tls';
import { buildConnector, Client, type Dispatcher } from 'undici';
import { UntrustedPeerError } from '../../peer/check-peer.ts';
import { createCheckedConnector } from '../../peer/checked-connector.ts';
import type { Proxy } from './parse-proxy-url.ts';
import { ProxyError } from './proxy-error.ts';

export interface TunnelOptions {
  proxy: Proxy;
  /** For reaching the proxy and for its answer together. */
  timeoutMsecs: number;
  secureContext: SecureContext;
}

export type TunnelSocket = Dispatcher.ConnectData['socket'];

/**
 * Asks the proxy for a connection to `authority` (CONNECT, RFC 9110 section 9.3.6).
 *
 * Credentials go to no process of another user that has taken the proxy's port on this host.
 *
 * Undici's own ProxyAgent reports a 407 in an error's text only; this tells the proxy's faults apart.
 *
 * @param authority host and port, an IPv6 address in brackets
 * @throws ProxyError there is no tunnel, and why
 */
export async function openTunnel(authority: string, options: TunnelOptions): Promise<TunnelSocket> {
  const { proxy, timeoutMsecs, secureContext } = options;
  const { origin, authorization, trustedUsers } = proxy;
  const isLookedAt = authorization !== undefined && origin.startsWith('http:');
  const client = new Client(origin, {
    connect: isLookedAt
      ? createCheckedConnector({ origin }, () => trustedUsers)
      : buildConnector({
          allowH2: false,
          timeout: timeoutMsecs,
          secureContext,
        }),
  });
  const timer = setTimeout(() => {
    void client.destroy(new ProxyError('down', 'the proxy did not answer in time'));
  }, timeoutMsecs);
  const request = {
    path: authority,
    headers: {
      host: authority,
      ...(authorization !== undefined && { 'proxy-authorization': authorization }),
    },
    // Undici would expect the certificate of the Host header's name, which is not the proxy's.
    servername: proxy.hostname,
  };
  try {
    const { statusCode, socket } = await client.connect(request);
    if (statusCode >= 200 && statusCode < 300) return socket;
    socket.on('error', () => undefined).destroy();
    throw refusal(statusCode);
  } catch (error) {
    if (error instanceof ProxyError) throw error;
    if (error instanceof UntrustedPeerError) {
      throw new ProxyError('untrusted', error.message, { cause: error });
    }
    throw new ProxyError('down', 'the proxy cannot be reached', { cause: error });
  } finally {
    clearTimeout(timer);
    // Nothing is left to it: a tunnel that was opened no longer belongs to the client.
    void client.destroy();
  }
}

const refusal = (status: number): ProxyError =>
  status === 407
    ? new ProxyError(
        'auth',
        'the proxy answered 407; check webpush.proxy_username and webpush.proxy_password',
      )
    : new ProxyError('refused', `the proxy answered ${status} to CONNECT`);
