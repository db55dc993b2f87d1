import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { describeRefusal } from './handle-error.ts';

/** Connections whose last request showed a token of ours. */
const trusted = new WeakSet<Socket>();

/** Says whether a request showed a token of ours. */
export function trustConnection({ socket }: IncomingMessage, trust: boolean): void {
  if (trust) trusted.add(socket);
  else trusted.delete(socket);
}

/**
 * Bounds what whoever connects may have a server do: how many connections there are, and how many requests
 * are in hand on each.
 *
 * For each connection too many, that which has been idle for the longest ends: without a request, or since its
 * last one. Where all are busy, it is the new one. Not by peer: on loopback, and behind a reverse proxy, all
 * have one address.
 *
 * A second request before the first is answered (RFC 9112 section 9.3.2) is taken only where a token was shown;
 * else the first is the last one. Thousands of them come at a time, and would be handled, or refused, before it
 * is anybody else's turn.
 *
 * To be called when the server has its handler, and with `requireHostHeader: false`: what Node answers without a
 * handler, it answers as often as it is asked.
 */
export function limitConnections(server: Server, most: number, onDropped: () => void): void {
  let open = 0;
  const idle = new Set<Socket>();
  /** The response under way that was begun last. */
  const latest = new WeakMap<Socket, ServerResponse>();
  const ending = new WeakSet<Socket>();

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

  const handlers = server.listeners('request') as RequestHandler[];
  server.removeAllListeners('request');
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (!admit(request, response)) return;
    // RFC 9112 section 3.2
    const lacksHost = request.httpVersion === '1.1' && request.headers.host === undefined;
    if (lacksHost) refuse(response, 400, 'there is no Host header');
    else for (const handle of handlers) handle.call(server, request, response);
  });
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    if (admit(request, response)) refuse(response, 417, 'only "Expect: 100-continue" can be met');
  });

  function admit({ socket }: IncomingMessage, response: ServerResponse): boolean {
    if (ending.has(socket)) return false;
    if (socket.writableEnded) {
      // The last answer was sent.
      ending.add(socket);
      stopParser(socket);
      return false;
    }
    const unanswered = latest.get(socket);
    if (unanswered !== undefined && !trusted.has(socket)) {
      ending.add(socket);
      end(socket, unanswered);
      return false;
    }
    latest.set(socket, response);
    idle.delete(socket);
    response.once('close', () => {
      if (latest.get(socket) !== response) return;
      latest.delete(socket);
      if (!socket.destroyed) idle.add(socket);
    });
    return true;
  }
}

type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** Takes nothing more from a connection, and sends what is answered by the end of this turn. */
function end(socket: Socket, unanswered: ServerResponse): void {
  stopParser(socket);
  socket.pause();
  if (!unanswered.headersSent) unanswered.setHeader('connection', 'close');
  setImmediate(() => socket.destroySoon());
}

/**
 * Has Node's parser look at nothing more of what has arrived: 2 means "no HTTP from here on", in an internal of
 * Node's (lib/_http_common.js). Where there is no such thing, objects are made and aborted for all that is left
 * of the chunk, which is slow and nothing worse.
 */
function stopParser(socket: Socket): void {
  const { parser } = socket as { parser?: { onIncoming?: () => number } };
  if (parser?.onIncoming) parser.onIncoming = () => 2;
}

function refuse(response: ServerResponse, status: number, message: string): void {
  const body = JSON.stringify(describeRefusal(status, { message }));
  response.setHeader('connection', 'close');
  response.setHeader('content-type', 'application/json; charset=utf-8');
  response.setHeader('content-length', Buffer.byteLength(body));
  response.writeHead(status).end(body);
}
