import { createServer as createPlainServer, type Server } from 'node:http';
import type { IncomingHttpHeaders, RequestListener, ServerResponse } from 'node:http';
import { createServer as createTlsServer, Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { makeCertificates } from './make-certificates.ts';

export interface ReceivedPush {
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** Monotonic milliseconds. */
  at: number;
}

export type Answer = (response: ServerResponse, push: ReceivedPush, socket: Socket) => void;

/** A push service: real sockets, real TLS, any answer. */
export interface TestPushService {
  readonly port: number;
  /** `https://127.0.0.1:<port>` */
  readonly origin: string;
  readonly pushes: ReceivedPush[];
  /** Connections made so far, whether or not a request followed. */
  readonly connections: number;
  /** How many requests were being answered at a time, at most. */
  readonly mostAtOnce: number;
  /** What to answer from now on. */
  answer: Answer;
  /** Presents another certificate from now on, without a moment in which nobody listens. */
  present(tls: { key: string; cert: string }): void;
  /** Cuts the connections that are open. */
  hangUp(): void;
  close(): Promise<void>;
}

export interface TestPushServiceOptions {
  answer?: Answer;
  tls?: { key: string; cert: string } | false;
  host?: string;
  /** Any free one unless given. */
  port?: number;
}

/** RFC 8030 section 5: "201 (Created)". */
export const answerWith =
  (status: number, headers: Record<string, string> = {}, body = ''): Answer =>
  (response) =>
    void response.writeHead(status, headers).end(body);

export async function startPushService(
  options: TestPushServiceOptions = {},
): Promise<TestPushService> {
  const host = options.host ?? '127.0.0.1';
  const pushes: ReceivedPush[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  let atOnce = 0;
  let mostAtOnce = 0;
  const listener: RequestListener = (request, response) => {
    atOnce += 1;
    mostAtOnce = Math.max(mostAtOnce, atOnce);
    response.once('close', () => (atOnce -= 1));
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const push = {
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks),
        at: performance.now(),
      };
      pushes.push(push);
      service.answer(response, push, request.socket);
    });
  };
  const server: Server =
    options.tls === false
      ? createPlainServer(listener)
      : createTlsServer(options.tls ?? makeCertificates(), listener);
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, host, resolve));
  const { port } = server.address() as AddressInfo;
  const scheme = options.tls === false ? 'http' : 'https';
  const service: TestPushService = {
    port,
    origin: `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`,
    pushes,
    get connections() {
      return connections;
    },
    get mostAtOnce() {
      return mostAtOnce;
    },
    answer: options.answer ?? answerWith(201),
    present: (tls) => {
      if (server instanceof TlsServer) server.setSecureContext(tls);
      service.hangUp();
    },
    hangUp: () => {
      for (const socket of sockets) socket.destroy();
    },
    close: () =>
      new Promise((resolve) => {
        service.hangUp();
        server.close(() => resolve());
      }),
  };
  return service;
}
