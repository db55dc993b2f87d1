import type { IncomingHttpHeaders } from 'node:http';
import type { Certificate } from '../../src/cli/demo/make-certificate.ts';
import { createReceiverSecrets, decryptPush } from '../../src/cli/decrypt-push.ts';
import { answerWith, startPushService, type Answer } from './push-service.ts';
import { registerSecret, registerSubscription } from './secret-watch.ts';

/** A push as the user agent gets it: decrypted by Web Crypto, which the sender does not use. */
export interface AgentPush {
  path: string;
  headers: IncomingHttpHeaders;
  /** Encrypted, as it came. */
  body: Buffer;
  /** The decrypted payload. */
  json: string;
  payload: Record<string, unknown>;
}

/** A user agent with a push service, and so an origin, of its own. */
export interface UserAgent {
  resource: { endpoint: string; keys: { p256dh: string; auth: string } };
  /** What its push service answers from now on; 201 unless set. */
  answer: Answer;
  /** The next push, whatever the answer was; waits for it. */
  next(timeoutMsecs?: number): Promise<AgentPush>;
  /** How many have come in that nobody has asked for. */
  readonly waiting: number;
  close(): Promise<void>;
}

export async function startUserAgent(tls: Certificate): Promise<UserAgent> {
  const secrets = await createReceiverSecrets();
  const keys = {
    p256dh: Buffer.from(secrets.publicPoint).toString('base64url'),
    auth: Buffer.from(secrets.auth).toString('base64url'),
  };
  let taken = 0;
  let wake: (() => void) | undefined;
  const service = await startPushService({
    tls,
    answer: (...answered) => {
      wake?.();
      agent.answer(...answered);
    },
  });
  const agent: UserAgent = {
    resource: { endpoint: `https://localhost:${service.port}/push/${keys.auth.slice(0, 8)}`, keys },
    answer: answerWith(201),
    next: async (timeoutMsecs = 10_000) => {
      const deadline = performance.now() + timeoutMsecs;
      while (service.pushes.length <= taken) {
        const left = deadline - performance.now();
        if (left <= 0) throw new Error(`no push came within ${timeoutMsecs} ms`);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, left);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      const push = service.pushes[taken++]!;
      const json = new TextDecoder().decode(await decryptPush(Uint8Array.from(push.body), secrets));
      const payload = JSON.parse(json) as Record<string, unknown>;
      registerSecret('validation text', (payload['validation'] ?? '') as string);
      return { ...push, json, payload };
    },
    get waiting() {
      return service.pushes.length - taken;
    },
    close: () => service.close(),
  };
  registerSubscription(agent.resource);
  return agent;
}
