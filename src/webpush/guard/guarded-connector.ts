import type { SecureContext } from 'node:tls';
import { buildConnector } from 'undici';
import { GuardError } from './guard-error.ts';
import type { GuardPolicy } from './guard-policy.ts';
import { judgeConnection, judgeHost, type Destination } from './judge-host.ts';
import type { ResolveHost } from './resolve-host.ts';
import { isAddress } from './is-address.ts';

export type Connector = buildConnector.connector;

export interface GuardedConnectorOptions {
  policy: GuardPolicy;
  resolve: ResolveHost;
  /** For name, connection and TLS together. */
  timeoutMsecs: number;
  /** The trusted certificate authorities. */
  secureContext: SecureContext;
}

/**
 * Makes undici's connections to one destination, to judged addresses only.
 *
 * A name is resolved once, and what was judged is what is connected to, so a name server that answers
 * differently the next time gains nothing. An address in the URL is judged before, because Node asks no
 * `lookup` about it. The far end of the finished connection is judged once more, in case anything in
 * between chose for itself.
 */
export function createGuardedConnector(
  destination: Destination,
  { policy, resolve, timeoutMsecs, secureContext }: GuardedConnectorOptions,
): Connector {
  const connect = buildConnector({
    allowH2: false,
    // Undici's timer is coarse. The push's own deadline ends the request; this one, the attempt to connect.
    timeout: timeoutMsecs,
    lookup: (_host, { all }, callback) => {
      judgeHost(destination, policy, resolve).then(
        (addresses) => {
          if (all === true) callback(null, addresses);
          else callback(null, addresses[0]?.address ?? '', addresses[0]?.family);
        },
        (error: unknown) => callback(error as Error, ''),
      );
    },
    secureContext,
  });
  return (target, callback) => {
    if (isAddress(destination.host)) {
      const refusal = refusalOf(destination.host, destination, policy);
      if (refusal !== undefined) {
        callback(refusal, null);
        return;
      }
    }
    connect(target, (error, socket) => {
      if (error !== null) {
        callback(error, null);
        return;
      }
      const refusal = refusalOf(socket.remoteAddress, destination, policy);
      if (refusal === undefined) {
        callback(null, socket);
      } else {
        socket.destroy();
        callback(refusal, null);
      }
    });
  };
}

function refusalOf(
  address: string | undefined,
  destination: Destination,
  policy: GuardPolicy,
): Error | undefined {
  // The far end hung up before it could be looked at.
  if (address === undefined) return Object.assign(new Error('reset'), { code: 'ECONNRESET' });
  try {
    judgeConnection(address, destination, policy);
    return undefined;
  } catch (error) {
    if (error instanceof GuardError) return error;
    throw error;
  }
}
