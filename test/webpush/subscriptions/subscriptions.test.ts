import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Folders } from '../../../src/coi/folders.ts';
import { createChangeOwnEntries } from '../../../src/metadata/change-own-entries.ts';
import type { PushKind } from '../../../src/stores/outbox-store.ts';
import { UnavailableError } from '../../../src/errors.ts';
import { OvertakenError } from '../../../src/stores/overtaken-error.ts';
import { NO_DELIVERIES } from '../../../src/webpush/subscriptions/delivery-history.ts';
import { formatSubscription } from '../../../src/webpush/subscriptions/subscription-record.ts';
import { SubscriptionRefusedError } from '../../../src/webpush/subscriptions/subscription-refused-error.ts';
import type { FirstAttempt } from '../../../src/webpush/subscriptions/subscriptions.ts';
import type { ValidationPush } from '../../../src/webpush/validation/validation-push.ts';
import { hashToken } from '../../../src/webpush/validation/validation-token.ts';
import {
  collect,
  createHarness,
  ENDPOINT,
  ID,
  MINUTE,
  OTHER_ID,
  subscriptionJson,
  tokenOf,
  type Harness,
  type RequestFields,
} from './subscription-fixtures.ts';

const USER = 'user@example.com';
const KEY = `webpush/subscriptions/${ID}`;
const OTHER_ENDPOINT = 'https://push.example.com/p/other';

const refusedFor = (reason: string) => (error: unknown) => {
  assert(error instanceof SubscriptionRefusedError, String(error));
  assert.equal(error.reason, reason);
  return true;
};

/** Registers and validates. */
async function subscribe(
  { subscriptions }: Harness,
  id = ID,
  fields: RequestFields = {},
  user = USER,
): Promise<void> {
  const push = await subscriptions.register(user, id, subscriptionJson(fields));
  await subscriptions.validate(user, id, tokenOf(push));
}

/** Registers and sends the validation push, as a client's SETMETADATA does. */
const setSubscription = async (
  { subscriptions, store }: Harness,
  value: Buffer,
  sendValidation: (push: ValidationPush) => Promise<FirstAttempt>,
): Promise<unknown> => {
  const folders = undefined as unknown as Folders; // of no concern to subscriptions
  const change = createChangeOwnEntries({ store, subscriptions, folders, sendValidation });
  return change(USER, [{ op: 'set', key: KEY, value }], []);
};

const shown = async ({ subscriptions }: Harness) =>
  (await subscriptions.list(USER)).map(
    ({ id, subscription }) =>
      `${id} ${subscription.validated ? 'validated' : 'waits'} ${subscription.resource.endpoint}`,
  );

describe('subscribing', () => {
  it('goes from registered to validated, each one commit', async () => {
    const harness = createHarness();
    const { subscriptions, store, events } = harness;
    const push = await subscriptions.register(USER, ID, subscriptionJson());
    assert.deepEqual(await shown(harness), [`${ID} waits ${ENDPOINT}`]);
    await subscriptions.validate(USER, ID, tokenOf(push));
    assert.deepEqual(await shown(harness), [`${ID} validated ${ENDPOINT}`]);
    assert.equal(store.commits.length, 2);
    assert.deepEqual(events, ['registered', 'validated']);
  });

  it('stores what waits before the validation push leaves', async () => {
    const harness = createHarness();
    const { store } = harness;
    let storedAtPush = -1;
    await setSubscription(harness, subscriptionJson(), () => {
      storedAtPush = store.commits.length;
      return Promise.resolve('accepted');
    });
    assert.equal(storedAtPush, 1);
  });

  for (const outcome of ['accepted', 'deferred'] as const satisfies FirstAttempt[]) {
    it(`waits for validation after a first attempt that was ${outcome}`, async () => {
      const harness = createHarness();
      const send = () => Promise.resolve(outcome);
      await setSubscription(harness, subscriptionJson(), send);
      assert.deepEqual(await shown(harness), [`${ID} waits ${ENDPOINT}`]);
    });
  }

  it('is taken back when the push service refuses the validation push', async () => {
    const harness = createHarness();
    const { store, events } = harness;
    const refuse = () => Promise.resolve('refused' as const);
    const value = subscriptionJson({ endpoint: OTHER_ENDPOINT });
    const subscribing = setSubscription(harness, value, refuse);
    await assert.rejects(subscribing, refusedFor('push-refused'));
    assert.deepEqual(await store.list(USER, ''), []);
    assert.deepEqual(events, ['registered', 'refused']);

    await subscribe(harness);
    const before = await store.list(USER, '');
    await assert.rejects(setSubscription(harness, value, refuse));
    assert.deepEqual(await store.list(USER, ''), before);
  });

  it('can be validated while the first attempt is still under way', async () => {
    const harness = createHarness();
    const { subscriptions } = harness;
    await setSubscription(harness, subscriptionJson(), async (push) => {
      await subscriptions.validate(USER, ID, tokenOf(push));
      return 'accepted';
    });
    assert.deepEqual(await shown(harness), [`${ID} validated ${ENDPOINT}`]);
  });

  it('requests at the same time cannot exceed the limit', async () => {
    const harness = createHarness({ limit: 3 });
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) =>
        harness.subscriptions.register(USER, `concurrent-${index}`, subscriptionJson()),
      ),
    );
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 3);
    for (const result of results) {
      if (result.status === 'rejected') assert(refusedFor('limit')(result.reason));
    }
    assert.equal((await shown(harness)).length, 3);
  });

  it('"A server MUST allow several clients to be subscribed at the same time"', async () => {
    const harness = createHarness();
    await subscribe(harness, ID);
    await subscribe(harness, OTHER_ID, { endpoint: OTHER_ENDPOINT });
    assert.equal((await shown(harness)).filter((line) => line.includes('validated')).length, 2);
  });

  it('does not mix up users', async () => {
    const harness = createHarness({ limit: 1 });
    await subscribe(harness, ID, {}, USER);
    await subscribe(harness, ID, {}, 'another');
    await harness.subscriptions.unsubscribe('another', ID);
    assert.equal((await shown(harness)).length, 1);
  });

  it('changes nothing, and says nothing happened, when the store cannot commit', async () => {
    const harness = createHarness();
    harness.store.full = true;
    const registering = harness.subscriptions.register(USER, ID, subscriptionJson());
    await assert.rejects(registering, UnavailableError);
    harness.store.full = false;
    assert.deepEqual(await shown(harness), []);
    assert.deepEqual(harness.events, []);
  });
});

describe('transact', () => {
  const comment = { op: 'set', key: 'priv/x/comment', value: Buffer.from('hello') } as const;

  it('puts several requests and foreign changes into one commit', async () => {
    const harness = createHarness();
    const { subscriptions, store } = harness;
    await subscribe(harness, OTHER_ID);
    store.commits = [];
    const pushes = await subscriptions.transact(USER, async (plan, commit) => {
      plan.register(ID, subscriptionJson());
      plan.remove(OTHER_ID);
      assert.equal(await commit([comment]), 'committed');
      return plan.pushes;
    });
    assert.equal(store.commits.length, 1);
    assert.equal(pushes.length, 1);
    assert.deepEqual(
      (await store.list(USER, '')).map(({ key }) => key),
      ['priv/x/comment', KEY],
    );
  });

  it('stores nothing of it when one request is refused', async () => {
    const { subscriptions, store, events } = createHarness();
    const transaction = subscriptions.transact(USER, async (plan, commit) => {
      plan.register(ID, subscriptionJson());
      plan.validate(OTHER_ID, Buffer.from('x'));
      await commit([comment]);
    });
    await assert.rejects(transaction, refusedFor('unknown'));
    assert.deepEqual(await store.list(USER, ''), []);
    assert.deepEqual(events, []);
  });

  it('stores nothing of it when a foreign increment names nothing', async () => {
    const { subscriptions, store, events } = createHarness();
    const result = await subscriptions.transact(USER, (plan, commit) => {
      plan.register(ID, subscriptionJson());
      return commit([{ op: 'increment', key: 'priv/x/count', by: 1 }]);
    });
    assert.equal(result, 'missing');
    assert.deepEqual(await store.list(USER, ''), []);
    assert.deepEqual(events, []);
  });

  it('commits foreign changes alone, and does not commit what is nothing', async () => {
    const { subscriptions, store } = createHarness();
    await subscriptions.transact(USER, (_plan, commit) => commit([comment]));
    assert.equal(store.commits.length, 1);
    await subscriptions.unsubscribe(USER, ID);
    assert.equal(store.commits.length, 1);
  });

  it('lets the next one in after one that failed', async () => {
    const { subscriptions } = createHarness();
    const failing = subscriptions.transact(USER, () => Promise.reject(new Error('no')));
    const next = subscriptions.register(USER, ID, subscriptionJson());
    await assert.rejects(failing, /^Error: no$/);
    await next;
  });
});

describe('"List Existing Subscriptions"', () => {
  it('lists `created` and `validated`, and nothing that was sent to validate', async () => {
    const harness = createHarness();
    const { subscriptions, store } = harness;
    const push = await subscriptions.register(USER, ID, subscriptionJson());
    const token = tokenOf(push).toString();
    for (const validated of [false, true]) {
      if (validated) await subscriptions.validate(USER, ID, Buffer.from(token));
      const [entry] = await subscriptions.list(USER);
      const text = formatSubscription(entry!.subscription);
      assert.match(
        text,
        /^\{"created":"2019-10-16T16:14:17\+00:00","validated":(true|false),"client"/,
      );
      assert.equal((JSON.parse(text) as { validated: boolean }).validated, validated);
      assert(!text.includes(token) && !text.includes(hashToken(token)));
      assert(!(await store.get(USER, KEY))?.includes(token), 'the token itself is in the store');
    }
  });

  it('finds one by its ID in any case', async () => {
    const harness = createHarness();
    await subscribe(harness);
    assert.equal((await harness.subscriptions.find(USER, ID.toUpperCase()))?.validated, true);
    assert.equal(await harness.subscriptions.find(USER, OTHER_ID), undefined);
    assert.equal(await harness.subscriptions.find(USER, 'short'), undefined);
  });

  it('shows a replacement that waits, and the old one again when its time is over', async () => {
    const harness = createHarness();
    await subscribe(harness);
    await harness.subscriptions.register(USER, ID, subscriptionJson({ endpoint: OTHER_ENDPOINT }));
    assert.deepEqual(await shown(harness), [`${ID} waits ${OTHER_ENDPOINT}`]);
    harness.clock.msecs += 5 * MINUTE + 1;
    assert.deepEqual(await shown(harness), [`${ID} validated ${ENDPOINT}`]);
  });

  it('leaves out a damaged record', async () => {
    const harness = createHarness();
    await subscribe(harness);
    const key = `webpush/subscriptions/${OTHER_ID}`;
    await harness.store.commit(USER, [{ op: 'set', key, value: Buffer.from('junk') }]);
    assert.equal((await shown(harness)).length, 1);
    assert.equal(await harness.subscriptions.find(USER, OTHER_ID), undefined);
  });
});

describe('the time to validate', () => {
  const DAY = 24 * 60 * MINUTE;
  for (const [what, step] of [
    ['forward', DAY],
    ['back', -DAY],
  ] as const) {
    it(`is neither ended nor prolonged by a clock that is set ${what}`, async () => {
      const { subscriptions, clock, store } = createHarness();
      const push = await subscriptions.register(USER, ID, subscriptionJson());
      const other = await subscriptions.register(USER, OTHER_ID, subscriptionJson());
      clock.msecs += 2 * MINUTE;
      clock.set(step);
      clock.msecs += 2 * MINUTE;
      assert.equal((await subscriptions.list(USER)).length, 2);
      await subscriptions.sweep();
      await subscriptions.validate(USER, ID, tokenOf(push));
      clock.msecs += 2 * MINUTE;
      assert.equal((await subscriptions.list(USER)).length, 1);
      await assert.rejects(
        subscriptions.validate(USER, OTHER_ID, tokenOf(other)),
        refusedFor('late'),
      );
      await subscriptions.sweep();
      assert.equal(await store.get(USER, `webpush/subscriptions/${OTHER_ID}`), undefined);
    });

    it(`begins anew with the validation push, whatever the clock was set to since (${what})`, async () => {
      const { subscriptions, clock } = createHarness();
      const push = await subscriptions.register(USER, ID, subscriptionJson());
      clock.set(step);
      clock.msecs += 4 * MINUTE;
      await subscriptions.validationSent(USER, ID, ENDPOINT, true);
      clock.set(-2 * step);
      clock.msecs += 4 * MINUTE;
      await subscriptions.validate(USER, ID, tokenOf(push));
    });
  }
});

describe('"When no validation is received within the timeframe … the server SHOULD discard the subscription"', () => {
  it('is not to be seen from then on', async () => {
    const harness = createHarness();
    await harness.subscriptions.register(USER, ID, subscriptionJson());
    harness.clock.msecs += 5 * MINUTE;
    assert.equal((await shown(harness)).length, 1);
    harness.clock.msecs += 1;
    assert.deepEqual(await shown(harness), []);
    assert.equal(await harness.subscriptions.find(USER, ID), undefined);
  });

  it('is removed by a sweep, once', async () => {
    const { subscriptions, store, clock, events } = createHarness();
    await subscriptions.register(USER, ID, subscriptionJson());
    clock.msecs += 5 * MINUTE;
    await subscriptions.sweep();
    assert.equal((await store.list(USER, '')).length, 1);
    clock.msecs += 1;
    await subscriptions.sweep();
    await subscriptions.sweep();
    assert.deepEqual(await store.list(USER, ''), []);
    assert.deepEqual(events, ['registered', 'unsent']);
    assert.equal(store.commits.length, 2);
  });

  it('is not looked for by a sweep once it was validated', async () => {
    const harness = createHarness();
    await subscribe(harness);
    harness.clock.msecs += 6 * MINUTE;
    let looks = 0;
    harness.store.list = () => {
      looks += 1;
      return Promise.resolve([]);
    };
    await harness.subscriptions.sweep();
    assert.equal(looks, 0);
  });

  it('is removed by a later sweep when the store could not commit at the first', async () => {
    const { subscriptions, store, clock } = createHarness();
    await subscriptions.register(USER, ID, subscriptionJson());
    clock.msecs += 6 * MINUTE;
    store.full = true;
    await subscriptions.sweep();
    store.full = false;
    await subscriptions.sweep();
    assert.deepEqual(await store.list(USER, ''), []);
  });

  it('is removed by the sweep over all users after a restart, and not before its time', async () => {
    const before = createHarness();
    await before.subscriptions.register('a', ID, subscriptionJson());
    before.clock.msecs += 4 * MINUTE;
    await before.subscriptions.register('b', ID, subscriptionJson());

    const after = createHarness({ store: before.store });
    after.clock.msecs = before.clock.msecs + 2 * MINUTE;
    await after.subscriptions.sweepAll();
    assert.deepEqual(await collect(before.store.users()), ['b']);
    after.clock.msecs += 4 * MINUTE;
    await after.subscriptions.sweep();
    assert.deepEqual(await collect(before.store.users()), []);
  });

  it('is removed by a later sweep when the store could not list the users at the start', async () => {
    const { store, ...before } = createHarness();
    await before.subscriptions.register(USER, ID, subscriptionJson());
    const { subscriptions, clock } = createHarness({ store });
    clock.msecs += 6 * MINUTE;
    const users = store.users.bind(store);
    // eslint-disable-next-line @typescript-eslint/require-await, require-yield -- as a store fails
    store.users = async function* () {
      throw new UnavailableError('Redis does not answer');
    };
    await subscriptions.sweepAll();
    store.users = users;
    await subscriptions.sweep();
    assert.deepEqual(await collect(store.users()), []);
  });
});

describe('a sweep over many users', () => {
  const MANY = 1_000;
  async function manyUsers(): Promise<Harness> {
    const harness = createHarness();
    const set = { op: 'set', key: 'coi/enabled', value: Buffer.from('yes') } as const;
    for (let n = 0; n < MANY; n++) await harness.store.commit(`user-${n}`, [set]);
    return harness;
  }

  it('lets the event loop turn, also where nothing has to be stored', async () => {
    const { subscriptions } = await manyUsers();
    let turns = 0;
    let over = false;
    const turn = (): void => {
      turns += 1;
      if (!over) setImmediate(turn);
    };
    setImmediate(turn);
    await subscriptions.sweepAll();
    over = true;
    assert(turns > MANY / 100, `${turns} turns`);
  });

  it('ends when the subscriptions are closed, before the store is', async () => {
    const { subscriptions, store } = await manyUsers();
    let looks = 0;
    const list = store.list.bind(store);
    store.list = (user, prefix) => {
      looks += 1;
      return list(user, prefix);
    };
    const sweeping = subscriptions.sweepAll();
    await new Promise((resolve) => setImmediate(resolve));
    await subscriptions.close();
    const looksUntilClosed = looks;
    await sweeping;
    assert(looks < MANY, `${looks} looks`);
    assert.equal(looks, looksUntilClosed);
  });
});

describe('forMessage', () => {
  const subscribeAll = async (harness: Harness) => {
    for (const msgtype of ['all', 'chat', 'mail']) {
      await subscribe(harness, `wants-${msgtype}-`, {
        msgtype,
        endpoint: `${ENDPOINT}/${msgtype}`,
      });
    }
  };
  const table: [isChat: boolean, wanted: string[]][] = [
    [true, ['all', 'chat']],
    [false, ['all', 'mail']],
  ];
  for (const [isChat, wanted] of table) {
    it(`a ${isChat ? 'chat' : 'mail'} message goes to ${wanted.join(' and ')}`, async () => {
      const harness = createHarness();
      await subscribeAll(harness);
      const targets = await harness.subscriptions.forMessage(USER, isChat);
      assert.deepEqual(
        targets.map(({ id, resource }) => [id, resource.endpoint]),
        wanted.map((msgtype) => [`wants-${msgtype}-`, `${ENDPOINT}/${msgtype}`]),
      );
    });
  }

  it('goes to no subscription that waits for validation, and to the old one meanwhile', async () => {
    const harness = createHarness();
    const { subscriptions } = harness;
    await subscriptions.register(USER, OTHER_ID, subscriptionJson());
    assert.deepEqual(await subscriptions.forMessage(USER, true), []);
    await subscribe(harness);
    await subscriptions.register(USER, ID, subscriptionJson({ endpoint: OTHER_ENDPOINT }));
    const targets = await subscriptions.forMessage(USER, true);
    assert.deepEqual(
      targets.map(({ resource }) => resource.endpoint),
      [ENDPOINT],
    );
  });
});

describe('what the delivery engine asks', () => {
  it('resource: validation pushes go to what waits, message pushes to what is in use', async () => {
    const harness = createHarness();
    const { subscriptions, clock } = harness;
    await subscribe(harness);
    const auth = 'AAAAAAAAAAAAAAAAAAAAAA';
    await subscriptions.register(USER, ID, subscriptionJson({ auth }));
    const authFor = async (kind?: PushKind, endpoint = ENDPOINT) =>
      (await subscriptions.resource(USER, ID, endpoint, kind))?.keys.auth;
    assert.equal(await authFor('validation'), auth);
    assert.notEqual(await authFor('message'), auth);
    assert.equal(await authFor(), await authFor('message'));
    assert.equal(await authFor('message', OTHER_ENDPOINT), undefined);
    clock.msecs += 6 * MINUTE;
    assert.equal(await authFor('validation'), undefined);
    assert.notEqual(await authFor('message'), undefined);
    assert.equal(await subscriptions.resource(USER, OTHER_ID, ENDPOINT), undefined);

    await subscriptions.register(USER, OTHER_ID, subscriptionJson());
    const waiting = (kind: PushKind) => subscriptions.resource(USER, OTHER_ID, ENDPOINT, kind);
    assert.equal(await waiting('message'), undefined);
    assert.notEqual(await waiting('validation'), undefined);
    assert.notEqual(await waiting('test'), undefined);
  });

  it('remove: takes a subscription away, but not the one that replaced it', async () => {
    const harness = createHarness();
    await subscribe(harness);
    const { subscriptions } = harness;
    assert.equal(await subscriptions.remove(USER, ID, OTHER_ENDPOINT, 'gone'), false);
    assert.equal((await shown(harness)).length, 1);
    assert.equal(await subscriptions.remove(USER, ID, ENDPOINT, 'gone'), true);
    assert.equal((await shown(harness)).length, 0);
    assert.equal(await subscriptions.remove(USER, ID, ENDPOINT, 'gone'), false);
  });

  it('removeAll: for an admin, and after a new VAPID key', async () => {
    const harness = createHarness();
    await subscribe(harness);
    await subscribe(harness, OTHER_ID);
    await harness.subscriptions.removeAll(USER);
    assert.deepEqual(await harness.store.list(USER, ''), []);
  });
});

describe('the delivery record', () => {
  const ok = { delivered: true, outcome: 'delivered', status: 201 };
  const failed = { delivered: false, outcome: 'timeout' };
  const historyIn = (harness: Harness, endpoint = ENDPOINT) =>
    harness.subscriptions.history(USER, ID, endpoint);

  it('costs no commit per push, and is known at once', async () => {
    const harness = createHarness();
    await subscribe(harness);
    harness.store.commits = [];
    for (let count = 0; count < 100; count++)
      harness.subscriptions.record(USER, ID, ENDPOINT, failed);
    assert.deepEqual(await historyIn(harness), {
      successes: 0,
      failures: 100,
      failuresInARow: 100,
      lastOutcome: 'timeout',
      lastAt: harness.clock.now(),
    });
    assert.equal(harness.store.commits.length, 0);
    await harness.subscriptions.flush();
    assert.equal(harness.store.commits.length, 1);
    assert.equal((await historyIn(harness)).failures, 100);
    await harness.subscriptions.flush();
    assert.equal(harness.store.commits.length, 1);
  });

  it('survives an orderly restart', async () => {
    const before = createHarness();
    await subscribe(before);
    before.subscriptions.record(USER, ID, ENDPOINT, failed);
    before.subscriptions.record(USER, ID, ENDPOINT, ok);
    await before.subscriptions.close();
    const after = createHarness({ store: before.store });
    assert.deepEqual(await historyIn(after), {
      successes: 1,
      failures: 1,
      failuresInARow: 0,
      lastOutcome: 'delivered',
      lastStatus: 201,
      lastAt: before.clock.now(),
    });
  });

  it('is flushed on its own after a while', async () => {
    const harness = createHarness({ flushMsecs: 5 });
    await subscribe(harness);
    harness.store.commits = [];
    harness.subscriptions.record(USER, ID, ENDPOINT, ok);
    for (let waited = 0; harness.store.commits.length === 0 && waited < 200; waited++)
      await sleep(5);
    assert.equal(harness.store.commits.length, 1);
  });

  it('is flushed at once when there is too much of it', async () => {
    const harness = createHarness();
    await subscribe(harness);
    harness.store.commits = [];
    harness.subscriptions.record(USER, ID, ENDPOINT, ok);
    for (let count = 0; count < 10_000; count++) {
      harness.subscriptions.record(USER, ID, `${OTHER_ENDPOINT}/${count}`, ok);
    }
    for (let waited = 0; harness.store.commits.length === 0 && waited < 200; waited++)
      await sleep(5);
    assert.equal(harness.store.commits.length, 1);
  });

  it('rides along with any other commit of the user', async () => {
    const harness = createHarness();
    const { subscriptions, store } = harness;
    const push = await subscriptions.register(USER, ID, subscriptionJson());
    subscriptions.record(USER, ID, ENDPOINT, ok);
    await subscriptions.validate(USER, ID, tokenOf(push));
    const commits = store.commits.length;
    await subscriptions.flush();
    assert.equal(store.commits.length, commits);
    assert.equal((await historyIn(createHarness({ store }))).successes, 1);
  });

  it('is kept in memory while the store cannot commit, and counted once', async () => {
    const harness = createHarness();
    await subscribe(harness);
    harness.subscriptions.record(USER, ID, ENDPOINT, failed);
    harness.store.full = true;
    await harness.subscriptions.flush();
    await assert.rejects(harness.subscriptions.unsubscribe(USER, ID), UnavailableError);
    harness.subscriptions.record(USER, ID, ENDPOINT, failed);
    assert.equal((await historyIn(harness)).failures, 2);
    harness.store.full = false;
    await harness.subscriptions.flush();
    assert.equal((await historyIn(createHarness({ store: harness.store }))).failures, 2);
    await harness.subscriptions.close();
  });

  it('loses nothing of what comes in while it is being stored', async () => {
    const harness = createHarness();
    await subscribe(harness);
    harness.subscriptions.record(USER, ID, ENDPOINT, failed);
    const flushing = harness.subscriptions.flush();
    await sleep(0);
    harness.subscriptions.record(USER, ID, ENDPOINT, failed);
    await flushing;
    assert.equal((await historyIn(harness)).failures, 2);
    await harness.subscriptions.close();
    assert.equal((await historyIn(createHarness({ store: harness.store }))).failures, 2);
  });

  it('is dropped with its subscription, and never of another endpoint', async () => {
    const harness = createHarness();
    await subscribe(harness);
    harness.subscriptions.record(USER, ID, OTHER_ENDPOINT, failed);
    assert.deepEqual(await historyIn(harness), NO_DELIVERIES);
    await harness.subscriptions.unsubscribe(USER, ID);
    harness.subscriptions.record(USER, ID, ENDPOINT, failed);
    await harness.subscriptions.flush();
    assert.deepEqual(await harness.store.list(USER, ''), []);
    assert.deepEqual(await historyIn(harness), NO_DELIVERIES);
  });
});

describe('several sidecars over one store', () => {
  const [one, other] = ((): [Harness, Harness] => {
    const first = createHarness();
    return [first, createHarness({ store: first.store, clock: first.clock })];
  })();

  it('take nothing back that another did meanwhile', async () => {
    const push = await one.subscriptions.register(USER, ID, subscriptionJson());
    other.subscriptions.record(USER, ID, ENDPOINT, { delivered: true, outcome: 'accepted' });
    await Promise.all([
      one.subscriptions.validate(USER, ID, tokenOf(push)),
      other.subscriptions.flush(),
    ]);
    assert.deepEqual(await shown(one), [`${ID} validated ${ENDPOINT}`]);
    assert.equal((await one.subscriptions.history(USER, ID, ENDPOINT)).successes, 1);
    other.subscriptions.record(USER, ID, ENDPOINT, { delivered: true, outcome: 'accepted' });
    await Promise.all([one.subscriptions.unsubscribe(USER, ID), other.subscriptions.flush()]);
    assert.deepEqual(await shown(other), []);
    assert.deepEqual(one.events, ['registered', 'validated', 'removed']);
  });

  it('give up after a few attempts, with nothing changed and no result lost', async () => {
    const harness = createHarness();
    await subscribe(harness);
    harness.subscriptions.record(USER, ID, ENDPOINT, { delivered: true, outcome: 'accepted' });
    harness.store.overtaken = 100;
    await assert.rejects(harness.subscriptions.unsubscribe(USER, ID), OvertakenError);
    assert.equal(harness.store.overtaken, 95);
    harness.store.overtaken = 2;
    await harness.subscriptions.flush();
    assert.deepEqual(await shown(harness), [`${ID} validated ${ENDPOINT}`]);
    assert.equal((await harness.subscriptions.history(USER, ID, ENDPOINT)).successes, 1);
  });
});
