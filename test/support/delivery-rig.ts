import { createECDH, randomBytes } from 'node:crypto';
import ece from 'http_ece';
import { createLogger, type Logger } from '../../src/logging.ts';
import type { NewPush, OutboxStore } from '../../src/stores/outbox-store.ts';
import type { AttemptResult } from '../../src/webpush/client/attempt-result.ts';
import type { PushClient } from '../../src/webpush/client/push-client.ts';
import { createDelivery } from '../../src/webpush/delivery/create-delivery.ts';
import type {
  Delivery,
  DeliveryMetrics,
  DeliveryOptions,
  DeliveryParts,
} from '../../src/webpush/delivery/delivery.ts';
import { parseGuardPolicy, type GuardPolicy } from '../../src/webpush/guard/guard-policy.ts';
import type { PushRequest } from '../../src/webpush/request/build-push-request.ts';
import { createVapidAuthorizer } from '../../src/webpush/vapid/vapid-authorizer.ts';
import { createInlineEncryptor } from '../../src/webpush/encryption/inline-encryptor.ts';
import { MemoryOutboxStore } from './memory-outbox-store.ts';
import { makeVapidKey } from './make-vapid-key.ts';
import { ManualClock } from './manual-clock.ts';
import { MemorySubscriptionBook } from './memory-subscription-book.ts';

const vapidKey = makeVapidKey();
const receiver = createECDH('prime256v1');
receiver.generateKeys();
const auth = randomBytes(16);

/** The keys of every subscription here. */
export const receiverKeys = {
  p256dh: receiver.getPublicKey('base64url'),
  auth: auth.toString('base64url'),
};

/** What was sent, decrypted by http_ece. */
export const readPush = (body: Buffer): string =>
  ece.decrypt(body, { version: 'aes128gcm', privateKey: receiver, authSecret: auth }).toString();

export interface SentPush {
  /** `alice/1`: the endpoint's path, which is the user and the subscription. */
  to: string;
  origin: string;
  payload: string;
  /** Monotonic milliseconds since the rig was made. */
  at: number;
  request: PushRequest;
}

export type RigAnswer = (push: SentPush) => AttemptResult | Promise<AttemptResult>;

export const status = (code: number, retryAfter?: string): AttemptResult => ({
  kind: 'response',
  status: code,
  ...(retryAfter !== undefined && { retryAfter }),
});

export const SERVICE = 'https://push.example.net';

export interface RigOptions extends Partial<DeliveryOptions> {
  answer?: RigAnswer;
  store?: OutboxStore;
  clock?: ManualClock;
  book?: MemorySubscriptionBook;
  vapid?: DeliveryParts['vapid'];
  random?: () => number;
  log?: Logger;
  /** A real one, to real push services at addresses that `policy` lets through. */
  client?: PushClient;
  policy?: GuardPolicy;
  /** Payloads go out as they are: for simulations of a hundred thousand pushes. */
  unencrypted?: boolean;
}

/** The delivery engine over a manual clock and push services that are functions. */
export class DeliveryRig {
  readonly clock: ManualClock;
  readonly store: OutboxStore;
  readonly book: MemorySubscriptionBook;
  readonly sent: SentPush[] = [];
  /** `message accepted`, `dropped expired` …, in their order. */
  readonly counted: string[] = [];
  readonly latencies: number[] = [];
  readonly delivery: Delivery;
  answer: RigAnswer;
  readonly #unencrypted: boolean;
  #count = 0;

  constructor(options: RigOptions = {}) {
    this.clock = options.clock ?? new ManualClock();
    this.store = options.store ?? new MemoryOutboxStore({ rememberMsecs: 3_600_000 }, this.clock);
    this.book = options.book ?? new MemorySubscriptionBook();
    this.answer = options.answer ?? (() => status(201));
    this.#unencrypted = options.unencrypted ?? false;
    const inline = createInlineEncryptor();
    const plain = (payload: string): Promise<Buffer> => Promise.resolve(Buffer.from(payload));
    this.delivery = createDelivery({
      store: this.store,
      subscriptions: this.book,
      vapid: options.vapid ?? (() => Promise.resolve(vapidKey)),
      authorizer: createVapidAuthorizer({ subject: '', clock: this.clock }),
      encryptor: this.#unencrypted ? { ...inline, encrypt: plain } : inline,
      client: options.client ?? this.#createClient(),
      policy: options.policy ?? parseGuardPolicy([]),
      clock: this.clock,
      timers: this.clock,
      random: options.random ?? (() => 0.5),
      metrics: this.#createMetrics(),
      log: options.log ?? createLogger('silent'),
      options: { maxRetries: 1, timeoutMsecs: 2_000, padding: false, maxPushes: 1_000, ...options },
    });
  }

  /** A push to `alice/1`; the subscription is made if it does not exist, and `payload` tells pushes apart. */
  push(to: string, changes: Partial<NewPush> = {}, origin = SERVICE): NewPush {
    const [user = '', subscriptionId = ''] = to.split('/');
    const endpoint = `${origin}/${to}`;
    this.book.set(user, subscriptionId, { endpoint, keys: receiverKeys });
    this.#count += 1;
    return {
      ...{ user, subscriptionId, endpoint },
      kind: 'message',
      payload: JSON.stringify({ uid: this.#count }),
      urgency: 'normal',
      createdAt: this.clock.now(),
      expiresAt: this.clock.now() + 86_400_000,
      dedupeKey: `${this.#count} ${to}`,
      ...changes,
    };
  }

  async owed(): Promise<string[]> {
    return (await this.store.page(0, 1_000_000)).map(({ payload }) => payload);
  }

  /** `<msecs> <to> <payload>` for each push sent. */
  get log(): string[] {
    return this.sent.map(({ at, to, payload }) => `${at} ${to} ${payload}`);
  }

  /** To whom, in the order of sending. */
  get receivers(): string[] {
    return this.sent.map(({ to }) => to);
  }

  #createClient(): PushClient {
    const began = this.clock.monotonic();
    return {
      send: async (request) => {
        const push = {
          to: request.url.pathname.slice(1),
          origin: request.url.origin,
          payload: this.#unencrypted ? request.body.toString() : readPush(request.body),
          at: this.clock.monotonic() - began,
          request,
        };
        this.sent.push(push);
        return this.answer(push);
      },
      proxyState: () => 'none',
      close: () => Promise.resolve(),
    };
  }

  #createMetrics(): DeliveryMetrics {
    return {
      attempted: (kind, outcome) => this.counted.push(`${kind} ${outcome}`),
      accepted: (_kind, seconds) => this.latencies.push(seconds),
      dropped: (reason) => this.counted.push(`dropped ${reason}`),
    };
  }
}
