import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { NewPush } from '../../../src/stores/outbox-store.ts';
import type { Delivery } from '../../../src/webpush/delivery/delivery.ts';
import { createSendTest } from '../../../src/webpush/delivery/send-test.ts';
import { ENDPOINT, ID, ManualClock, START } from '../subscriptions/subscription-fixtures.ts';

it('a test push tells itself apart, is worth a minute, and is never taken for a duplicate', async () => {
  const pushes: NewPush[] = [];
  const delivery = {
    attemptNow: (push: NewPush) => {
      pushes.push(push);
      return Promise.resolve({ verdict: 'accepted', reason: 'accepted', status: 201 });
    },
  } as Partial<Delivery> as Delivery;
  const send = createSendTest(delivery, new ManualClock());
  assert.equal((await send('bob', ID, ENDPOINT)).status, 201);
  await send('bob', ID, ENDPOINT);
  const [one, other] = pushes;
  assert.deepEqual(JSON.parse(one?.payload ?? ''), {
    test: true,
    subscription: ID,
    date: '2019-10-16T16:14:17.000Z',
  });
  assert.equal(one?.kind, 'test');
  assert.equal(one.endpoint, ENDPOINT);
  assert.equal(one.expiresAt, START + 60_000);
  assert.notEqual(one.dedupeKey, other?.dedupeKey);
});
