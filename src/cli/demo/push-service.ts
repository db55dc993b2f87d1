import { randomUUID } from 'node:crypto';
import { createServer as createPlainServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createReceiverSecrets, decryptPush } from '../decrypt-push.ts';
import type { Certificate } from './make-certificate.ts';

/** A push as a user agent gets it. */
export interface ReceivedPush {
  headers: Record<string, string>;
  /** Octets of the encrypted body. */
  size: number;
  payload: Record<string, unknown>;
  /** Milliseconds since the epoch. */
  at: number;
}

/** A push service and the one user agent that it serves (RFC 8030), in this process. */
export interface PushService {
  /** What the user agent registers. */
  resource: { endpoint: string; keys: { p256dh: string; auth: string } };
  /** The next push, decrypted by WebCrypto; waits for it. */
  next(timeoutMsecs?: number): Promise<ReceivedPush>;
  /** How many have come in that nobody has asked for. */
  readonly waiting: number;
  close(): Promise<void>;
}

/** @param tls its certificate, for `localhost`; without one it is an http:// service of 127.0.0.1 */
export async function startPushService(tls?: Certificate): Promise<PushService> {
  const secrets = await createReceiverSecrets();
  const keys = {
    p256dh: Buffer.from(secrets.publicPoint).toString('base64url'),
    auth: Buffer.from(secrets.auth).toString('base64url'),
  };
  const received: ReceivedPush[] = [];
  let wake: (() => void) | undefined;
  let failure: unknown;
  const listener: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      decryptPush(Uint8Array.from(body), secrets).then(
        (plaintext) => {
          received.push({
            headers: request.headers as Record<string, string>,
            size: body.length,
            payload: JSON.parse(new TextDecoder().decode(plaintext)) as Record<string, unknown>,
            at: Date.now(),
          });
          response.writeHead(201).end();
          wake?.();
        },
        (error: unknown) => {
          failure = error;
          response.writeHead(400).end();
          wake?.();
        },
      );
    });
  };
  const server = tls ? createTlsServer(tls, listener) : createPlainServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  return {
    resource: {
      endpoint: `${tls ? 'https://localhost' : 'http://127.0.0.1'}:${port}/push/${randomUUID()}`,
      keys,
    },
    next: async (timeoutMsecs = 10_000) => {
      const deadline = Date.now() + timeoutMsecs;
      while (received.length === 0) {
        if (failure !== undefined)
          throw new Error('a push could not be decrypted', { cause: failure });
        const left = deadline - Date.now();
        if (left <= 0) throw new Error(`no push came within ${timeoutMsecs} ms`);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, left);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      return received.shift() as ReceivedPush;
    },
    get waiting() {
      return received.length;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
