import type { IncomingHttpHeaders } from 'node:http';
import {
  createReceiverSecrets,
  decryptPush,
  type ReceiverSecrets,
} from '../../src/cli/decrypt-push.ts';
import { makeCertificates } from './make-certificates.ts';
import { answerWith, startPushService, type Answer, type ReceivedPush } from './push-service.ts';
import { registerSecret, registerSubscription } from './secret-watch.ts';

/** A request as the user agent would get it, whatever its service answered. */
export interface ArrivedPush {
  headers: IncomingHttpHeaders;
  /** Encrypted. */
  body: Buffer;
  payload: Record<string, unknown>;
  /** Monotonic milliseconds. */
  at: number;
}

/** One subscription's other end: it decrypts with WebCrypto, which the sidecar does not use. */
export interface UserAgent {
  readonly resource: { endpoint: string; keys: { p256dh: string; auth: string } };
  readonly secrets: ReceiverSecrets;
  /** The next push that nobody has taken yet; waits for it. */
  next(timeoutMsecs?: number): Promise<ArrivedPush>;
  /** Takes all that have come in so far. */
  drain(): Promise<ArrivedPush[]>;
}

/** A push service with any number of user agents, over TLS, that does what `behave` says. */
export interface ScriptedPushService {
  readonly origin: string;
  /** What it does with each request from now on; at first it answers 201. */
  behave: Answer;
  /** Requests since it began to listen, to whatever path. */
  readonly requests: number;
  /** @param host another name of this machine, for endpoints that are not at `localhost` */
  addUserAgent(host?: string): Promise<UserAgent>;
  /** Nothing listens any more, and open connections are cut. */
  down(): Promise<void>;
  /** Listens again on the same port. */
  up(): Promise<void>;
  /** Cuts open connections, and presents this certificate in new ones; by default the right one. */
  present(tls?: { key: string; cert: string }): void;
  close(): Promise<void>;
}

export async function startScriptedPushService(): Promise<ScriptedPushService> {
  const agents = new Map<string, ReceivingUserAgent>();
  const answer: Answer = (response, push, socket) => {
    agents.get(push.path)?.receive(push);
    service.behave(response, push, socket);
  };
  let server = await startPushService({ answer });
  const { port } = server;
  const service: ScriptedPushService = {
    origin: `https://localhost:${port}`,
    behave: answerWith(201),
    get requests() {
      return server.pushes.length;
    },
    addUserAgent: async (host = 'localhost') => {
      const agent = new ReceivingUserAgent(
        await createReceiverSecrets(),
        `https://${host}:${port}`,
      );
      agents.set(new URL(agent.resource.endpoint).pathname, agent);
      return agent;
    },
    down: () => server.close(),
    up: async () => {
      server = await startPushService({ answer, port });
    },
    present: (tls = makeCertificates()) => server.present(tls),
    close: () => server.close(),
  };
  return service;
}

class ReceivingUserAgent implements UserAgent {
  readonly secrets: ReceiverSecrets;
  readonly resource: UserAgent['resource'];
  /** In the order of arrival; decryption takes a moment. */
  #arrived: Promise<ArrivedPush>[] = [];
  #wake: (() => void) | undefined;

  constructor(secrets: ReceiverSecrets, origin: string) {
    const auth = Buffer.from(secrets.auth).toString('base64url');
    const p256dh = Buffer.from(secrets.publicPoint).toString('base64url');
    this.secrets = secrets;
    this.resource = { endpoint: `${origin}/push/${auth}`, keys: { p256dh, auth } };
    registerSubscription(this.resource);
  }

  receive(push: ReceivedPush): void {
    const reading = this.#read(push);
    reading.catch(() => undefined); // whoever takes it hears of it
    this.#arrived.push(reading);
    this.#wake?.();
  }

  async next(timeoutMsecs = 45_000): Promise<ArrivedPush> {
    const deadline = performance.now() + timeoutMsecs;
    for (;;) {
      const first = this.#arrived.shift();
      if (first !== undefined) return first;
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`no push came within ${timeoutMsecs} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  drain(): Promise<ArrivedPush[]> {
    return Promise.all(this.#arrived.splice(0));
  }

  async #read({ headers, body, at }: ReceivedPush): Promise<ArrivedPush> {
    const plaintext = await decryptPush(Uint8Array.from(body), this.secrets);
    const payload = JSON.parse(new TextDecoder().decode(plaintext)) as ArrivedPush['payload'];
    registerSecret('validation text', (payload['validation'] ?? '') as string);
    return { headers, body, payload, at };
  }
}
