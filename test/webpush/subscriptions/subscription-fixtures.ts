import type { Clock } from '../../../src/clock.ts';
import { createLogger } from '../../../src/logging.ts';
import { OvertakenError } from '../../../src/stores/overtaken-error.ts';
import type { Change, CommitResult, Expectation } from '../../../src/stores/store.ts';
import { UnavailableError } from '../../../src/errors.ts';
import type { SubscriptionChange } from '../../../src/webpush/subscriptions/subscription-change.ts';
import {
  Subscriptions,
  type SubscriptionsOptions,
} from '../../../src/webpush/subscriptions/subscriptions.ts';
import type { ValidationPush } from '../../../src/webpush/validation/validation-push.ts';
import { MemoryStore } from '../../support/memory-store.ts';

/** The user agent's keys of the example in RFC 8291, appendix A. */
export const P256DH =
  'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4';
export const AUTH = 'BTBZMqHH6r4Tts7J_aSIgg';

export const ID = '31754ee7-d3ee-4226-b112-6895ed26fcf8';
export const OTHER_ID = 'another-subscription';
export const ENDPOINT = 'https://push.example.com/p/1234';

export const MINUTE = 60_000;
/** 2019-10-16T16:14:17Z: the time of the specification's example. */
export const START = Date.UTC(2019, 9, 16, 16, 14, 17);

export interface RequestFields {
  client?: unknown;
  device?: unknown;
  msgtype?: unknown;
  endpoint?: unknown;
  p256dh?: unknown;
  auth?: unknown;
}

/** A subscription as a client sends it; given fields replace good ones, undefined leaves them out. */
export function subscriptionValue(fields: RequestFields = {}): Record<string, unknown> {
  const all = {
    client: 'My awesome WebPush App',
    device: 'My Favorite Smartphone',
    msgtype: 'chat',
    endpoint: ENDPOINT,
    p256dh: P256DH,
    auth: AUTH,
    ...fields,
  };
  return {
    client: all.client,
    device: all.device,
    msgtype: all.msgtype,
    resource: { endpoint: all.endpoint, keys: { p256dh: all.p256dh, auth: all.auth } },
  };
}

export const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

export const subscriptionJson = (fields: RequestFields = {}): Buffer =>
  json(subscriptionValue(fields));

/** A clock that stands still unless it is moved; both of its faces move together unless it is set. */
export class ManualClock implements Clock {
  msecs = START;
  #set = 0;
  now = (): number => this.msecs;
  monotonic = (): number => this.msecs - this.#set - START + 1_000;

  /** Sets it forward or back, as NTP or an administrator does. */
  set(msecs: number): void {
    this.msecs += msecs;
    this.#set += msecs;
  }
}

/** A store whose commits can be counted and made to fail. */
export class TestStore extends MemoryStore {
  /** Without what was expected. */
  commits: Change[][] = [];
  full = false;
  /** So many commits are overtaken from now on, if they expect anything. */
  overtaken = 0;

  override async commit(
    user: string,
    changes: readonly (Change | Expectation)[],
  ): Promise<CommitResult> {
    // Gives others a chance to get in between, as a real store does.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.full) throw new UnavailableError('the store is full');
    if (this.overtaken > 0 && changes.some(({ op }) => op === 'expect')) {
      this.overtaken -= 1;
      throw new OvertakenError();
    }
    const result = await super.commit(user, changes);
    if (result === 'committed') this.commits.push(changes.filter((it) => it.op !== 'expect'));
    return result;
  }
}

export interface Harness {
  store: TestStore;
  clock: ManualClock;
  subscriptions: Subscriptions;
  events: SubscriptionChange[];
}

export function createHarness(options: Partial<SubscriptionsOptions> = {}): Harness {
  const store = new TestStore();
  const clock = new ManualClock();
  const events: SubscriptionChange[] = [];
  const subscriptions = new Subscriptions({
    store,
    clock,
    log: createLogger('silent'),
    limit: 3,
    expireMsecs: 5 * MINUTE,
    onChange: (_user, change) => events.push(change),
    ...options,
  });
  return { store, clock, subscriptions, events };
}

/** The token in a validation push, as the client that receives the push has it. */
export const tokenOf = (push: ValidationPush): Buffer =>
  Buffer.from((JSON.parse(push.payload) as { validation: string }).validation);

export async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}
