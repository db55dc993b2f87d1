import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { InvalidInputError, SidecarError } from '../../../src/errors.ts';
import type { Change } from '../../../src/stores/store.ts';
import { historyOf } from '../../../src/webpush/subscriptions/delivery-history.ts';
import { SubscriptionPlan } from '../../../src/webpush/subscriptions/subscription-plan.ts';
import type { SubscriptionRules } from '../../../src/webpush/subscriptions/subscription-rules.ts';
import {
  decodeRecord,
  shownSubscription,
  SUBSCRIPTION_PREFIX,
  type SubscriptionRecord,
} from '../../../src/webpush/subscriptions/subscription-record.ts';
import {
  SubscriptionRefusedError,
  type RefusalReason,
} from '../../../src/webpush/subscriptions/subscription-refused-error.ts';
import { hashToken } from '../../../src/webpush/validation/validation-token.ts';
import {
  ENDPOINT,
  ID,
  MINUTE,
  OTHER_ID,
  START,
  subscriptionJson,
  tokenOf,
} from './subscription-fixtures.ts';

const RULES: SubscriptionRules = { limit: 3, expireMsecs: 5 * MINUTE };
const VALUE = subscriptionJson();
const OTHER_ENDPOINT = 'https://push.example.com/p/other';
const OTHER_VALUE = subscriptionJson({ endpoint: OTHER_ENDPOINT, msgtype: 'all' });

type Records = ReadonlyMap<string, SubscriptionRecord>;

const plan = (records: Records = new Map(), now = START, rules = RULES) =>
  new SubscriptionPlan('u', records, rules, now);

/** What the store holds after the changes. */
function apply(records: Records, changes: readonly Change[]): Records {
  const after = new Map(records);
  for (const change of changes) {
    assert(change.key.startsWith(SUBSCRIPTION_PREFIX));
    const id = change.key.slice(SUBSCRIPTION_PREFIX.length);
    if (change.op === 'set')
      after.set(id, decodeRecord(change.value) ?? assert.fail('undecodable'));
    else after.delete(id);
  }
  return after;
}

/** Stores `value`, and validates it at once if asked. */
function store(
  records: Records,
  id: string,
  { value = VALUE, now = START, validated = true } = {},
): { records: Records; token: Buffer } {
  const registering = plan(records, now);
  const token = tokenOf(registering.register(id, value));
  if (validated) registering.validate(id, token);
  return { records: apply(records, registering.changes()), token };
}

const refusedFor = (reason: RefusalReason) => (error: unknown) => {
  assert(error instanceof SubscriptionRefusedError, String(error));
  assert(error instanceof InvalidInputError);
  assert.equal(error.reason, reason);
  return true;
};

describe('register', () => {
  it('"the server MUST add the created JSON element", and `validated`, "which is false by default"', () => {
    const registering = plan();
    registering.register(ID, VALUE);
    const { pending, active } = apply(new Map(), registering.changes()).get(ID) ?? {};
    assert.equal(active, undefined);
    assert.equal(pending?.subscription.created, '2019-10-16T16:14:17+00:00');
    assert.equal(pending.subscription.validated, false);
    assert.equal(pending.expiresAt, START + 5 * MINUTE);
    assert.deepEqual(registering.events, ['registered']);
  });

  it('owes a validation push to the new endpoint, and keeps its token as a hash only', () => {
    const registering = plan();
    const push = registering.register(ID, VALUE);
    const token = tokenOf(push).toString();
    assert.deepEqual(push, {
      user: 'u',
      subscriptionId: ID,
      resource: (JSON.parse(VALUE.toString()) as { resource: object }).resource,
      payload: JSON.stringify({ validation: token }),
      createdAt: START,
      expiresAt: START + 5 * MINUTE,
      dedupeKey: `validation/${ID}/${hashToken(token)}`,
    });
    assert.deepEqual(registering.pushes, [push]);
    const [change] = registering.changes();
    assert(change?.op === 'set' && !change.value.includes(token));
  });

  it('keeps an ID in lower case', () => {
    const registering = plan();
    registering.register('ABCDEF-0123', VALUE);
    assert.equal(registering.changes()[0]?.key, 'webpush/subscriptions/abcdef-0123');
  });

  it('leaves no trace of a refused value or ID', () => {
    const registering = plan();
    assert.throws(() => registering.register(ID, Buffer.from('{}')), InvalidInputError);
    assert.throws(() => registering.register('short', VALUE), InvalidInputError);
    assert.deepEqual(registering.changes(), []);
    assert.deepEqual(registering.pushes, []);
    assert.deepEqual(registering.events, []);
  });

  it('asks the injected judge about the endpoint', () => {
    const judging = plan(new Map(), START, { ...RULES, judgeEndpoint: () => 'it is not for you' });
    assert.throws(() => judging.register(ID, VALUE), /it is not for you/);
  });

  it('in one transaction sends the last of several values for one ID', () => {
    const registering = plan();
    registering.register(ID, VALUE);
    const last = registering.register(ID, OTHER_VALUE);
    assert.deepEqual(registering.pushes, [last]);
    assert.equal(registering.changes().length, 1);
  });

  it('sends nothing for what the same transaction removes again', () => {
    const registering = plan();
    registering.register(ID, VALUE);
    registering.remove(ID);
    assert.deepEqual(registering.pushes, []);
    assert.deepEqual(apply(new Map(), registering.changes()).size, 0);
  });
});

describe('replacing what waits for validation', () => {
  it('abandons it: its validation text is no longer right', () => {
    const first = store(new Map(), ID, { validated: false });
    const replacing = plan(first.records);
    replacing.register(ID, OTHER_VALUE);
    assert.deepEqual(replacing.events, ['abandoned', 'registered']);
    assert.throws(() => replacing.validate(ID, first.token), refusedFor('wrong'));
  });
});

describe('"If the maximum number is hit, it MUST answer a subscription request with NO"', () => {
  let full: Records = new Map();
  for (const id of ['1', '2', '3']) full = store(full, id.repeat(10)).records;

  it('refuses one more, and stores nothing', () => {
    const registering = plan(full);
    registering.register('4'.repeat(10), VALUE);
    assert.throws(() => registering.changes(), refusedFor('limit'));
  });

  it('takes a new value for an ID that is in use', () => {
    const registering = plan(full);
    registering.register('1'.repeat(10), OTHER_VALUE);
    assert.equal(registering.changes().length, 1);
  });

  it('takes a new one when the same transaction removes another, in any order', () => {
    for (const order of ['remove first', 'register first']) {
      const both = plan(full);
      if (order === 'remove first') both.remove('1'.repeat(10));
      both.register('4'.repeat(10), VALUE);
      if (order === 'register first') both.remove('1'.repeat(10));
      assert.equal(apply(full, both.changes()).size, 3, order);
    }
  });

  it('refuses two in one transaction when there is room for one', () => {
    const two = plan(store(store(new Map(), '1'.repeat(10)).records, '2'.repeat(10)).records);
    two.register('3'.repeat(10), VALUE);
    two.register('4'.repeat(10), VALUE);
    assert.throws(() => two.changes(), refusedFor('limit'));
  });

  it('counts those that wait for validation, but not those whose time is over', () => {
    let waiting: Records = new Map();
    for (const id of ['1', '2', '3']) {
      waiting = store(waiting, id.repeat(10), { validated: false }).records;
    }
    const inTime = plan(waiting, START + 5 * MINUTE);
    inTime.register('4'.repeat(10), VALUE);
    assert.throws(() => inTime.changes(), refusedFor('limit'));

    const late = plan(waiting, START + 5 * MINUTE + 1);
    late.register('4'.repeat(10), VALUE);
    assert.deepEqual([...apply(waiting, late.changes()).keys()], ['4'.repeat(10)]);
    assert.deepEqual(late.events, ['unsent', 'unsent', 'unsent', 'registered']);
  });

  it('leaves what exists alone when the limit is lowered below it', () => {
    const lowered = plan(full, START, { ...RULES, limit: 1 });
    lowered.register('1'.repeat(10), OTHER_VALUE);
    lowered.remove('2'.repeat(10));
    assert.equal(apply(full, lowered.changes()).size, 2);
    const more = plan(full, START, { ...RULES, limit: 1 });
    more.register('4'.repeat(10), OTHER_VALUE);
    assert.throws(() => more.changes(), refusedFor('limit'));
  });

  it('does not count a damaged record, and lets its ID be used and removed', () => {
    const damaged = new Map([...full, ['damaged-one', {}]]);
    damaged.delete('3'.repeat(10));
    const using = plan(damaged);
    using.register('damaged-one', VALUE);
    assert.equal(using.changes()[0]?.op, 'set');
    const removing = plan(damaged);
    removing.remove('damaged-one');
    assert.deepEqual(removing.changes(), [
      { op: 'unset', key: 'webpush/subscriptions/damaged-one' },
    ]);
  });
});

describe('validate', () => {
  const { records, token } = store(new Map(), ID, { validated: false });

  it('"within a certain timeframe … and with the correct value …, the server MUST respond with OK"', () => {
    for (const now of [START, START + 5 * MINUTE]) {
      const validating = plan(records, now);
      validating.validate(ID, token);
      const { active, pending } = apply(records, validating.changes()).get(ID) ?? {};
      assert.equal(active?.subscription.validated, true);
      assert.equal(active.subscription.created, '2019-10-16T16:14:17+00:00');
      assert.equal(pending, undefined);
      assert.deepEqual(validating.events, ['validated']);
    }
  });

  it('matches the ID in any case', () => plan(records).validate(ID.toUpperCase(), token));

  it('"When more than the timeframe has passed … the server MUST respond with NO"', () => {
    const late = plan(records, START + 5 * MINUTE + 1);
    assert.throws(() => late.validate(ID, token), refusedFor('late'));
  });

  it('"or the validate text is invalid"', () => {
    for (const value of ['', 'ZZZ000...', `${token.toString()} `, token.toString().toUpperCase()]) {
      assert.throws(() => plan(records).validate(ID, Buffer.from(value)), refusedFor('wrong'));
    }
  });

  it('"or the subscription ID does not match the server MUST respond with NO"', () => {
    const both = store(records, OTHER_ID, { validated: false }).records;
    assert.throws(() => plan(both).validate(OTHER_ID, token), refusedFor('wrong'));
    assert.throws(() => plan(records).validate(OTHER_ID, token), refusedFor('unknown'));
    assert.throws(() => plan(records).validate('short', token), refusedFor('unknown'));
    assert.throws(() => plan().validate(ID, token), refusedFor('unknown'));
  });

  it('leaves the subscription waiting after a wrong value, so that the right one still counts', () => {
    const validating = plan(records);
    assert.throws(() => validating.validate(ID, Buffer.from('wrong')), refusedFor('wrong'));
    assert.deepEqual(validating.changes(), []);
    validating.validate(ID, token);
  });

  it('answers the right value OK again while its timeframe lasts, and NO afterwards', () => {
    const validated = store(new Map(), ID);
    const again = plan(validated.records, START + 5 * MINUTE);
    again.validate(ID, validated.token);
    assert.deepEqual(again.changes(), []);
    assert.deepEqual(again.events, []);
    const late = plan(validated.records, START + 5 * MINUTE + 1);
    assert.throws(() => late.validate(ID, validated.token), refusedFor('late'));
    assert.throws(() => late.validate(ID, Buffer.from('wrong')), refusedFor('wrong'));
  });
});

describe('"within a certain timeframe … of sending the validation push message"', () => {
  const { records, token } = store(new Map(), ID, { validated: false });
  const sending = plan(records, START + 4 * MINUTE);
  sending.validationSent(ID, ENDPOINT, true);
  const sent = apply(records, sending.changes());

  it('begins when the push service takes that push', () => {
    const inTime = plan(sent, START + 9 * MINUTE);
    inTime.validate(ID, token);
    assert.deepEqual(inTime.events, ['validated']);
    const late = plan(sent, START + 9 * MINUTE + 1);
    assert.throws(() => late.validate(ID, token), refusedFor('late'));
  });

  it('tells what was sent and never validated from what was never sent', () => {
    assert.deepEqual(plan(sent, START + 9 * MINUTE + 1).events, ['expired']);
    assert.deepEqual(plan(records, START + 5 * MINUTE + 1).events, ['unsent']);
  });

  it('begins anew each time that the push goes out, be it without an answer', () => {
    const unsure = plan(records, START + 3 * MINUTE);
    unsure.validationSent(ID, ENDPOINT, false);
    const once = apply(records, unsure.changes());
    plan(once, START + 8 * MINUTE).validate(ID, token);
    assert.deepEqual(plan(once, START + 8 * MINUTE + 1).events, ['unsent'], 'nobody is to blame');
    const taken = plan(once, START + 7 * MINUTE);
    taken.validationSent(ID, ENDPOINT, true);
    const twice = apply(once, taken.changes());
    plan(twice, START + 12 * MINUTE).validate(ID, token);
    assert.deepEqual(plan(twice, START + 12 * MINUTE + 1).events, ['expired']);
  });

  it('begins no more when the subscription was discarded meanwhile', () => {
    const late = plan(records, START + 5 * MINUTE + 1);
    late.validationSent(ID, ENDPOINT, true);
    assert.equal(apply(records, late.changes()).size, 0);
  });

  it('has nothing to do with a subscription to another endpoint', () => {
    const other = plan(records, START + MINUTE);
    other.validationSent(ID, OTHER_ENDPOINT, true);
    other.validationSent(OTHER_ID, ENDPOINT, true);
    assert.deepEqual(other.changes(), []);
  });

  it('begins for one that was validated before the push service had answered', () => {
    const validated = store(new Map(), ID);
    const after = plan(validated.records, START + 1_000);
    after.validationSent(ID, ENDPOINT, true);
    const again = plan(apply(validated.records, after.changes()), START + 5 * MINUTE + 500);
    again.validate(ID, validated.token);
    const old = plan(validated.records, START + 6 * MINUTE);
    old.validationSent(ID, ENDPOINT, true);
    assert.deepEqual(old.changes(), [], 'a validated one has no time to begin anew');
  });
});

describe('subscribing again under the same ID', () => {
  const old = store(new Map(), ID);
  const again = store(old.records, ID, {
    value: OTHER_VALUE,
    now: START + MINUTE,
    validated: false,
  });
  const record = again.records.get(ID);

  it('keeps the old one in use until the new one is validated', () => {
    assert.equal(record?.active?.subscription.resource.endpoint, ENDPOINT);
    assert.equal(record.pending?.subscription.resource.endpoint, OTHER_ENDPOINT);
    const validating = plan(again.records, START + 2 * MINUTE);
    validating.validate(ID, again.token);
    const { active, pending } = apply(again.records, validating.changes()).get(ID) ?? {};
    assert.equal(active?.subscription.resource.endpoint, OTHER_ENDPOINT);
    assert.equal(active.subscription.msgtype, 'all');
    assert.equal(pending, undefined);
  });

  it('takes the new value only, though the old one was right before', () => {
    const validating = plan(again.records, START + 2 * MINUTE);
    assert.throws(() => validating.validate(ID, old.token), refusedFor('wrong'));
  });

  it('goes back to the old one when the new one is never validated', () => {
    const later = plan(again.records, START + 7 * MINUTE);
    assert.deepEqual(later.events, ['unsent']);
    const after = apply(again.records, later.changes()).get(ID);
    assert.deepEqual(after, old.records.get(ID));
  });

  it('carries the history over to the same endpoint and to no other', () => {
    const counting = plan(old.records);
    const history = historyOf({ delivered: true, outcome: 'delivered' }, START);
    counting.addHistory([{ id: ID, endpoint: ENDPOINT, history }]);
    const counted = apply(old.records, counting.changes());
    const same = plan(counted);
    same.validate(ID, tokenOf(same.register(ID, VALUE)));
    assert.equal(apply(counted, same.changes()).get(ID)?.active?.history.successes, 1);
    const other = plan(counted);
    other.validate(ID, tokenOf(other.register(ID, OTHER_VALUE)));
    assert.equal(apply(counted, other.changes()).get(ID)?.active?.history.successes, 0);
  });
});

describe('takeBack', () => {
  it('leaves the user as before the registration', () => {
    const old = store(new Map(), ID);
    const waiting = store(new Map(), ID, { validated: false });
    for (const before of [new Map<string, never>(), old.records, waiting.records]) {
      const registering = plan(before, START + 1);
      registering.register(ID, OTHER_VALUE);
      const between = apply(before, registering.changes());
      const undoing = plan(between, START + 2);
      undoing.takeBack(registering.made);
      assert.deepEqual(apply(between, undoing.changes()), before);
      assert.deepEqual(undoing.events, ['refused']);
    }
  });

  it('does not bring back what expired in the meantime', () => {
    const waiting = store(new Map(), ID, { validated: false });
    const registering = plan(waiting.records, START + 4 * MINUTE);
    registering.register(ID, OTHER_VALUE);
    const between = apply(waiting.records, registering.changes());
    const undoing = plan(between, START + 6 * MINUTE);
    undoing.takeBack(registering.made);
    assert.equal(apply(between, undoing.changes()).size, 0);
  });

  it('does nothing to what was validated, replaced or removed in the meantime', () => {
    const registering = plan();
    const push = registering.register(ID, VALUE);
    const between = apply(new Map(), registering.changes());
    const validated = plan(between);
    validated.validate(ID, tokenOf(push));
    const replaced = plan(between);
    replaced.register(ID, VALUE);
    const removed = plan(between);
    removed.remove(ID);
    for (const meantime of [validated, replaced, removed]) {
      const [events, records] = [meantime.events.length, new Map(meantime.records)];
      meantime.takeBack(registering.made);
      assert.equal(meantime.events.length, events);
      assert.deepEqual(meantime.records, records);
    }
  });

  it('undoes removals and validations, and keeps what was noted of pushes meanwhile', () => {
    const used = store(new Map(), ID);
    const { records, token } = store(used.records, OTHER_ID, { validated: false });
    const working = plan(records);
    working.remove(ID);
    working.validate(OTHER_ID, token);
    working.register('third-subscription', OTHER_VALUE);
    const between = apply(records, working.changes());
    const undoing = plan(between, START, { ...RULES, limit: 1 });
    undoing.takeBack(working.made);
    assert.deepEqual(apply(between, undoing.changes()), records);

    const noting = plan(used.records);
    noting.register(OTHER_ID, VALUE);
    const history = historyOf({ delivered: true, outcome: 'accepted' }, START);
    const later = plan(apply(used.records, noting.changes()));
    later.addHistory([{ id: ID, endpoint: ENDPOINT, history }]);
    later.takeBack(noting.made);
    assert.equal(later.records.get(ID)?.active?.history.successes, 1);
    assert.deepEqual(later.records.get(OTHER_ID), {});
  });
});

describe('"To unsubscribe from push notification set the previously push annotation to NIL"', () => {
  it('removes what is in use and what waits', () => {
    const active = store(new Map(), ID);
    const both = store(active.records, ID, { validated: false });
    const cases: [Records, string[]][] = [
      [active.records, ['removed']],
      [both.records, ['removed', 'abandoned']],
      [store(new Map(), ID, { validated: false }).records, ['abandoned']],
    ];
    for (const [records, events] of cases) {
      const removing = plan(records);
      removing.remove(ID.toUpperCase());
      assert.deepEqual(removing.changes(), [{ op: 'unset', key: SUBSCRIPTION_PREFIX + ID }]);
      assert.deepEqual(removing.events, events);
    }
  });

  it('is fine with an ID that is free or impossible, as with any annotation', () => {
    const removing = plan();
    for (const id of [ID, 'short', '', '../../vapid']) removing.remove(id);
    assert.deepEqual(removing.changes(), []);
  });

  it('removes all', () => {
    const { records } = store(store(new Map(), ID).records, OTHER_ID, { validated: false });
    const removing = plan(records);
    removing.removeAll();
    assert.equal(apply(records, removing.changes()).size, 0);
  });
});

describe('removeEndpoint', () => {
  const old = store(new Map(), ID);
  const { records } = store(old.records, ID, { value: OTHER_VALUE, validated: false });

  it('removes what still goes there, and leaves the rest of the ID alone', () => {
    const gone = plan(records);
    assert.equal(gone.removeEndpoint(ID, ENDPOINT), true);
    assert.deepEqual(Object.keys(apply(records, gone.changes()).get(ID) ?? {}), ['pending']);
    const waiting = plan(records);
    assert.equal(waiting.removeEndpoint(ID, OTHER_ENDPOINT), true);
    assert.deepEqual(apply(records, waiting.changes()).get(ID), old.records.get(ID));
  });

  it('does nothing when the subscription goes elsewhere by now', () => {
    for (const [id, endpoint] of [
      [ID, 'https://push.example.com/p/older'],
      [OTHER_ID, ENDPOINT],
    ] as const) {
      const gone = plan(records);
      assert.equal(gone.removeEndpoint(id, endpoint), false);
      assert.deepEqual(gone.changes(), []);
    }
  });
});

describe('any sequence of requests', () => {
  const ids = ['1', '2', '3', '4', '5'].map((digit) => digit.repeat(10));
  const request = fc.record({
    kind: fc.constantFrom(
      'register',
      'validate',
      'old token',
      'wrong',
      'remove',
      'take back',
      'gone',
    ),
    id: fc.constantFrom(...ids),
    wait: fc.constantFrom(0, 0, 1, MINUTE, 6 * MINUTE),
    other: fc.boolean(),
  });

  it('keeps to the limit, never uses the unvalidated, and shows no token (2,000 sequences)', () => {
    fc.assert(
      fc.property(fc.array(request, { maxLength: 40 }), (requests) => {
        let records: Records = new Map();
        let now = START;
        const tokens = new Map<string, Buffer[]>();
        const made = new Map<string, SubscriptionPlan['made']>();
        for (const { kind, id, wait, other } of requests) {
          now += wait;
          const step = plan(records, now);
          const known = tokens.get(id) ?? [];
          try {
            if (kind === 'register') {
              const push = step.register(id, other ? OTHER_VALUE : VALUE);
              step.changes();
              tokens.set(id, [...known, tokenOf(push)]);
              made.set(id, step.made);
            } else if (kind === 'validate') step.validate(id, known.at(-1) ?? Buffer.alloc(0));
            else if (kind === 'old token') step.validate(id, known.at(-2) ?? Buffer.alloc(0));
            else if (kind === 'wrong') step.validate(id, Buffer.from('wrong'));
            else if (kind === 'remove') step.remove(id);
            else if (kind === 'gone') step.removeEndpoint(id, other ? OTHER_ENDPOINT : ENDPOINT);
            else step.takeBack(made.get(id) ?? []);
          } catch (error) {
            assert(error instanceof SidecarError, String(error));
            continue;
          }
          assert(kind !== 'wrong', 'a wrong value was taken');
          records = apply(records, step.changes());
          assert(records.size <= RULES.limit);
          for (const record of records.values()) {
            assert.notEqual(record.active?.subscription.validated, false);
            assert.notEqual(record.pending?.subscription.validated, true);
            assert(record.active ?? record.pending, 'an empty record was kept');
            const shown = JSON.stringify(shownSubscription(record, now) ?? '');
            for (const token of tokens.values()) {
              for (const one of token) assert(!shown.includes(one.toString()));
            }
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
