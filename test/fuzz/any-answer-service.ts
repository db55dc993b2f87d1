import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { makeCertificates } from '../support/make-certificates.ts';

/** What stands for the connection being cut before, or in place of, an answer. */
export const CUT = Buffer.from('cut the connection\n');

/** A push service over real TLS that answers any octets. */
export interface AnyAnswerService {
  readonly origin: string;
  /** Requests so far. */
  readonly requests: number;
  /** A new endpoint whose pushes are answered with these octets. */
  endpoint(answer: Buffer): string;
  forget(endpoint: string): void;
  close(): Promise<void>;
}

const CREATED = Buffer.from('HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n');
const HEAD_END = Buffer.from('\r\n\r\n');

export async function startAnyAnswerService(): Promise<AnyAnswerService> {
  const answers = new Map<string, Buffer>();
  const sockets = new Set<TLSSocket>();
  let requests = 0;
  const { key, cert } = makeCertificates();
  const server = createServer({ key, cert }, (socket) => {
    let pending = Buffer.alloc(0);
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      for (;;) {
        const request = takeRequest(pending);
        if (request === undefined) return;
        pending = pending.subarray(request.length);
        requests += 1;
        give(socket, answers.get(request.path));
      }
    });
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    get requests() {
      return requests;
    },
    endpoint: (answer) => {
      const path = `/${randomUUID()}`;
      answers.set(path, answer);
      return origin + path;
    },
    forget: (endpoint) => void answers.delete(endpoint.slice(origin.length)),
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** One whole request, with its length; undefined until it is there. */
function takeRequest(octets: Buffer): { path: string; length: number } | undefined {
  const end = octets.indexOf(HEAD_END);
  if (end < 0) return undefined;
  const head = octets.toString('latin1', 0, end);
  const [, path = ''] = /^POST (\S+) /.exec(head) ?? [];
  const [, body = '0'] = /^content-length: *(\d+)/im.exec(head) ?? [];
  const length = end + HEAD_END.length + Number(body);
  return octets.length < length ? undefined : { path, length };
}

/** A keep-alive connection ends where the answer says nothing about its own end. */
function give(socket: TLSSocket, answer: Buffer = CREATED): void {
  if (answer.equals(CUT)) {
    socket.destroy();
    return;
  }
  socket.write(answer);
  if (!answer.equals(CREATED)) socket.end();
}
