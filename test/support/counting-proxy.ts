import { createServer, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An HTTP proxy before one server, which keeps the lines of the requests that pass. */
export interface CountingProxy extends AsyncDisposable {
  readonly url: string;
  /** Where requests are passed on to: `http://127.0.0.1:port`. */
  target: string;
  /** `PUT /v1/ox-events` … */
  readonly requests: string[];
}

/** Where nobody listens behind it, the caller's connection is cut. */
export async function startCountingProxy(): Promise<CountingProxy> {
  const requests: string[] = [];
  const server = createServer((incoming, outgoing) => {
    requests.push(`${incoming.method} ${incoming.url}`);
    const { method, headers } = incoming;
    const cut = (): void => void incoming.socket.destroy();
    const passed = request(new URL(incoming.url ?? '/', proxy.target), { method, headers });
    passed.on('error', cut).on('response', (response: IncomingMessage) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      response.on('error', cut).pipe(outgoing);
    });
    incoming.on('error', cut).pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: CountingProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    target: '',
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}
