import { buildConnector } from 'undici';
import { checkSocketOwner, checkTcpPeer, readListeners } from './check-peer.ts';
import type { TcpSocket } from './tcp-sockets.ts';
import { trustedUids } from './trusted-users.ts';

/** Where an HTTP server is reached: by TCP or, with a path, over a unix socket. */
export interface HttpPlace {
  /** `http://127.0.0.1:9380`; over a unix socket only what stands in the Host header. */
  origin: string;
  socketPath?: string;
}

/** So many connections in a row that ended before anything came, and who waits is told so. */
const MOST_ENDED_IN_A_ROW = 3;

/**
 * Makes undici's connections for requests that carry a secret. Who listens is looked at on each new
 * connection, before and after it is made, and before anything is sent; behind https the certificate says
 * it.
 *
 * Undici connects again at once, for as long as a request waits and whatever its signal says, to a peer
 * that takes connections and ends them: after a few, here, the request fails.
 *
 * @param users whose processes may listen there, besides root's and this process's own user's: names or
 *   uids, asked for anew each time
 */
export function createCheckedConnector(
  { socketPath }: HttpPlace,
  users: () => Promise<readonly (string | number)[]> | readonly (string | number)[],
): buildConnector.connector {
  const connect = buildConnector({
    allowH2: false,
    ...(socketPath !== undefined && { socketPath }),
  });
  let endedInARow = 0;
  return (target, callback) => {
    if (endedInARow >= MOST_ENDED_IN_A_ROW) {
      endedInARow = 0;
      callback(Object.assign(new Error('it ends connections'), { code: 'ECONNRESET' }), null);
      return;
    }
    const refuse = (error: unknown): void => callback(error as Error, null);
    const isLookedAt = target.protocol !== 'https:';
    const port = Number(target.port || 80);
    const listening = isLookedAt && socketPath === undefined ? readListeners(port) : undefined;
    const connectKnowing = (before: readonly TcpSocket[]): void =>
      connect(target, (...[error, socket]) => {
        if (error !== null) {
          callback(error, null);
          return;
        }
        socket.once('close', () => {
          endedInARow = socket.bytesRead === 0 ? endedInARow + 1 : 0;
        });
        const check = async (): Promise<void> => {
          if (!isLookedAt) return;
          const trusted = await trustedUids(await users());
          if (socketPath !== undefined) await checkSocketOwner(socketPath, trusted);
          else await checkTcpPeer(socket, before, trusted);
        };
        check().then(
          () => callback(null, socket),
          (problem: unknown) => {
            socket.destroy();
            refuse(problem);
          },
        );
      });
    if (listening === undefined) connectKnowing([]);
    else void listening.then(connectKnowing);
  };
}
