import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface RecordedRequest {
  path: string;
  headers: IncomingHttpHeaders;
  /** Or what `lua/coi.lua` puts into the header Coi-Events in place of a body. */
  body: Buffer;
}

export interface RecordingHttpServer extends AsyncDisposable {
  url: string;
  requests: RecordedRequest[];
  /** The next request that has not been taken yet; fails after two seconds. */
  take(): Promise<RecordedRequest>;
  /** What has come so far is nobody's next request any more. */
  drain(): void;
}

export interface Answer {
  status: number;
  body?: string;
}

/** A local HTTP server that keeps what it got. `answer` may return null: then it never answers. */
export async function startRecordingHttpServer(
  answer: (request: RecordedRequest) => Answer | null = () => ({ status: 204 }),
): Promise<RecordingHttpServer> {
  const requests: RecordedRequest[] = [];
  const waiting: (() => void)[] = [];
  let taken = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { 'coi-events': events } = request.headers;
      const recorded = {
        path: request.url ?? '',
        headers: request.headers,
        body: typeof events === 'string' ? Buffer.from(events, 'latin1') : Buffer.concat(chunks),
      };
      requests.push(recorded);
      waiting.shift()?.();
      const reply = answer(recorded);
      if (reply === null) return;
      response.writeHead(reply.status);
      response.end(reply.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async take() {
      if (requests.length <= taken) {
        await new Promise<void>((resolve, reject) => {
          const timer = setTimeout(() => reject(new Error('no request came')), 2_000);
          waiting.push(() => {
            clearTimeout(timer);
            resolve();
          });
        });
      }
      return requests[taken++]!;
    },
    drain: () => void (taken = requests.length),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
