import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { InvalidInputError } from '../../../src/errors.ts';
import { SubscriptionPlan } from '../../../src/webpush/subscriptions/subscription-plan.ts';
import {
  createHarness,
  ENDPOINT,
  ID,
  MINUTE,
  OTHER_ID,
  START,
  subscriptionJson,
  tokenOf,
} from './subscription-fixtures.ts';

const CREATED = '2019-01-01T00:00:00+00:00';
const newPlan = (limit = 2): SubscriptionPlan =>
  new SubscriptionPlan('bob', new Map(), { limit, expireMsecs: MINUTE }, START);

describe('a subscription that was validated elsewhere', () => {
  it('is in use at once, without a push or an event', () => {
    const plan = newPlan();
    assert.equal(plan.adopt(ID.toUpperCase(), subscriptionJson(), CREATED, false), 'added');
    const { active, pending } = plan.records.get(ID) ?? {};
    assert.equal(active?.subscription.validated, true);
    assert.equal(active.subscription.created, CREATED);
    assert.equal(pending, undefined);
    assert.deepEqual([plan.pushes, plan.events], [[], []]);
  });

  it('takes no validation text', () => {
    const plan = newPlan();
    plan.adopt(ID, subscriptionJson(), CREATED, false);
    assert.throws(() => plan.validate(ID, Buffer.from('')), /invalid validation/);
  });

  it('leaves out what today’s rules refuse', () => {
    const value = subscriptionJson({ endpoint: 'http://push.example.com/' });
    assert.throws(() => newPlan().adopt(ID, value, CREATED, false), InvalidInputError);
    assert.throws(() => newPlan().adopt('short', subscriptionJson(), CREATED, false), /10 to 36/);
  });

  it('keeps to the limit, without spoiling the rest of the transaction', () => {
    const plan = newPlan(1);
    plan.adopt(ID, subscriptionJson(), CREATED, false);
    assert.throws(() => plan.adopt(OTHER_ID, subscriptionJson(), CREATED, false), /already has 1/);
    assert.equal(plan.changes().length, 1);
    const other = subscriptionJson({ msgtype: 'all' });
    assert.equal(plan.adopt(ID, other, CREATED, true), 'changed');
  });

  const changes = [
    { msgtype: 'mail' },
    { client: 'x' },
    { device: 'x' },
    { endpoint: `${ENDPOINT}x` },
  ];
  for (const change of changes) {
    it(`is another one with another ${Object.keys(change).join()}`, () => {
      const plan = newPlan();
      plan.adopt(ID, subscriptionJson(), CREATED, false);
      const later = '2020-01-01T00:00:00Z';
      assert.equal(plan.adopt(ID, subscriptionJson(), later, true), 'unchanged');
      assert.equal(plan.adopt(ID, subscriptionJson(change), CREATED, false), 'kept');
      assert.equal(plan.adopt(ID, subscriptionJson(change), CREATED, true), 'changed');
    });
  }
});

describe('Subscriptions.inspect', () => {
  it('shows what is in use and what waits, with results that are not stored yet', async () => {
    const { subscriptions, store, clock } = createHarness();
    const push = await subscriptions.register('bob', ID, subscriptionJson());
    await subscriptions.validate('bob', ID, tokenOf(push));
    await subscriptions.register('bob', ID, subscriptionJson({ endpoint: `${ENDPOINT}/new` }));
    const result = { delivered: true, outcome: 'accepted', status: 201 };
    subscriptions.record('bob', ID, ENDPOINT, result);
    const commits = store.commits.length;
    for (let look = 0; look < 2; look++) {
      const record = (await subscriptions.inspect('bob')).get(ID);
      assert.equal(record?.active?.history.successes, 1);
      assert.equal(record.pending?.history.successes, 0);
    }
    assert.equal(store.commits.length, commits);
    clock.msecs += 6 * MINUTE;
    assert.equal((await subscriptions.inspect('bob')).get(ID)?.pending, undefined);
    await subscriptions.close();
  });
});
