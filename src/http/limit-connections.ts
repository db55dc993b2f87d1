import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Bounds how many connections a server has. For each one more, that which has been idle for the longest
 * ends: without a request, or since its last one. Where all are busy, it is the new one.
 *
 * Not by peer: on loopback, and behind a reverse proxy, all have one address.
 */
export function limitConnections(server: Server, most: number, onDropped: () => void): void {
  let open = 0;
  const idle = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open += 1;
    socket.once('close', () => {
      open -= 1;
      idle.delete(socket);
    });
    if (open > most) {
      const [longest = socket] = idle;
      idle.delete(longest);
      longest.destroy();
      onDropped();
      if (longest === socket) return;
    }
    idle.add(socket);
  });
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    idle.delete(socket);
    response.once('close', () => {
      if (!socket.destroyed) idle.add(socket);
    });
  });
}
