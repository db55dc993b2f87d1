import { createServer as createPlainServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { makeCertificates } from './make-certificates.ts';

export interface ConnectRequest {
  /** Host and port as asked for. */
  authority: string;
  host: string | undefined;
  authorization: string | undefined;
}

/** A forward proxy that knows CONNECT only. It sends every tunnel to a port of this machine. */
export interface TestProxy {
  /** `http://127.0.0.1:<port>`, or `https://localhost:<port>` with TLS. */
  readonly url: string;
  readonly port: number;
  readonly requests: ConnectRequest[];
  close(): Promise<void>;
}

export interface TestProxyOptions {
  tls?: boolean;
  /** Any free one unless given. */
  port?: number;
  /** Whom it lets in. */
  credentials?: { username: string; password: string };
  /** What it answers instead of opening a tunnel: a status, or nothing at all. */
  refuse?: number | 'hang' | 'reset' | 'garbage';
  /** It cannot reach IPv4 addresses. */
  noIPv4?: boolean;
  /** Every name is this machine's to it; addresses are what they are, and none but its own is to be reached. */
  resolvesToLoopback?: boolean;
}

export async function startConnectProxy(options: TestProxyOptions = {}): Promise<TestProxy> {
  const requests: ConnectRequest[] = [];
  const sockets = new Set<Socket>();
  const server = options.tls ? createTlsServer(makeCertificates()) : createPlainServer();
  const { credentials, refuse } = options;
  const expected =
    credentials &&
    `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('connect', (request, client, head) => {
    client.on('error', () => undefined);
    const authority = request.url ?? '';
    const authorization = request.headers['proxy-authorization'];
    requests.push({ authority, host: request.headers.host, authorization });
    if (expected !== undefined && authorization !== expected) {
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n');
    } else if (options.resolvesToLoopback && /^(?!127\.)[\d.]+:\d+$/.test(authority)) {
      client.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n');
    } else if (options.noIPv4 && /^[\d.]+:\d+$/.test(authority)) {
      client.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n');
    } else if (typeof refuse === 'number') {
      client.end(`HTTP/1.1 ${refuse} No\r\nContent-Length: 0\r\n\r\n`);
    } else if (refuse === 'reset') {
      client.destroy();
    } else if (refuse === 'garbage') {
      client.end('what?\r\n\r\n');
    } else if (refuse !== 'hang') {
      const port = Number(/:(\d+)$/.exec(authority)?.[1]);
      const target = connect({ port, host: '127.0.0.1' }, () => {
        client.write('HTTP/1.1 200 Connection established\r\n\r\n');
        target.write(head);
        target.pipe(client);
        client.pipe(target);
      });
      sockets.add(target);
      target.on('error', () => client.destroy());
      target.on('close', () => client.destroy());
      client.on('close', () => target.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: options.tls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`,
    port,
    requests,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
