import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UnavailableError } from '../../../src/errors.ts';
import type { AttemptResult } from '../../../src/webpush/client/attempt-result.ts';
import type { FailureReason } from '../../../src/webpush/client/classify-failure.ts';
import { DeliveryRig, readPush, SERVICE, status } from '../../support/delivery-rig.ts';

const failed = (reason: FailureReason): AttemptResult => ({ kind: 'failed', reason });

/** How one push fares that always gets the same answer. */
async function fate(answer: AttemptResult, msecs = 20_000) {
  const rig = new DeliveryRig({ answer: () => answer });
  await rig.delivery.start();
  await rig.delivery.enqueue([rig.push('alice/1')]);
  await rig.clock.advance(msecs);
  const [owed] = await rig.store.page(0, 1);
  return {
    rig,
    times: rig.sent.map(({ at }) => at),
    owed: owed !== undefined,
    attempts: owed?.attempts ?? 0,
    subscribed: rig.book.has('alice', '1'),
    last: rig.book.results.at(-1),
  };
}

describe('one push and the answers to it', () => {
  for (const code of [200, 201, 202, 204]) {
    it(`${code}: delivered at once, and settled`, async () => {
      const { rig, times, owed, subscribed, last } = await fate(status(code));
      assert.deepEqual(times, [0]);
      assert.equal(owed, false);
      assert.equal(subscribed, true);
      assert.deepEqual(last, {
        ...{ user: 'alice', id: '1', delivered: true, outcome: 'accepted', status: code },
      });
      assert.deepEqual(rig.counted, ['message accepted']);
      assert.deepEqual(rig.latencies, [0]);
    });
  }

  for (const [code, reason] of [
    [404, 'not-found'],
    [410, 'gone'],
  ] as const) {
    it(`${code}: the subscription is removed, the push settled`, async () => {
      const { rig, times, owed, subscribed, last } = await fate(status(code));
      assert.deepEqual(times, [0]);
      assert.equal(owed, false);
      assert.equal(subscribed, false);
      assert.equal(last?.status, code);
      assert.deepEqual(rig.book.removed, [
        { user: 'alice', id: '1', reason: `the push service answered ${code} (${SERVICE})` },
      ]);
      assert.deepEqual(rig.counted, [`message ${reason}`, 'dropped refused']);
    });
  }

  for (const [answer, reason] of [
    [status(301), 'redirect'],
    [status(400), 'bad-request'],
    [status(413), 'too-large'],
    [failed('guard'), 'guard'],
  ] as const) {
    it(`${JSON.stringify(answer)}: given up, the subscription kept`, async () => {
      const { rig, times, owed, subscribed } = await fate(answer);
      assert.deepEqual(times, [0]);
      assert.equal(owed, false);
      assert.equal(subscribed, true);
      assert.deepEqual(rig.counted, [`message ${reason}`, 'dropped refused']);
    });
  }

  // One quick try after 200 ms, then 5 s, 10 s; the next would come after 35.2 s.
  for (const [answer, reason] of [
    [status(500), 'server-error'],
    [status(503), 'server-error'],
    [status(507), 'server-error'],
    [failed('timeout'), 'timeout'],
    [failed('reset'), 'reset'],
    [failed('tls'), 'tls'],
    [failed('dns'), 'dns'],
    [failed('refused'), 'refused'],
    [status(401), 'unauthorized'],
    [status(403), 'forbidden'],
    [failed('proxy'), 'proxy'],
    [failed('proxy-auth'), 'proxy-auth'],
  ] as const) {
    it(`${JSON.stringify(answer)}: tried again quickly, then ever later; all is kept`, async () => {
      const { rig, times, owed, attempts, subscribed, last } = await fate(answer);
      assert.deepEqual(times, [0, 200, 5_200, 15_200]);
      assert.equal(owed, true);
      assert.equal(attempts, 4);
      assert.equal(subscribed, true);
      assert.equal(last?.delivered, false);
      assert.equal(last.outcome, reason);
      assert.deepEqual(new Set(rig.counted), new Set([`message ${reason}`]));
    });
  }

  for (const [answer, times] of [
    [status(429, '7'), [0, 7_000, 14_000]],
    [status(406, '7'), [0, 7_000, 14_000]],
    [status(503, '7'), [0, 7_000, 14_000]],
    [status(429, 'Thu, 15 Jan 2026 12:00:09 GMT'), [0, 9_000, 11_000, 15_000]],
    [status(429, '0'), [0, 1_000, 3_000, 7_000, 15_000]],
    [status(429), [0, 5_000, 15_000]],
  ] as const) {
    it(`${JSON.stringify(answer)}: not before the service says so`, async () => {
      const result = await fate(answer);
      assert.deepEqual(result.times.slice(0, times.length), times);
      assert.equal(result.owed, true);
      assert.equal(result.subscribed, true);
    });
  }

  it('is tried until its TTL ends, and then counted as expired', async () => {
    const { rig, times, owed } = await fate(failed('timeout'), 90_000_000);
    assert.equal(owed, false);
    assert.ok(times.length > 100 && times.length < 200, `${times.length} attempts`);
    assert.ok(times.at(-1)! < 86_400_000);
    assert.equal(rig.counted.at(-1), 'dropped expired');
    await rig.clock.advance(20_000);
    assert.equal(rig.clock.pendingTimers, 0);
  });

  it('removes a subscription that never took a push after five refusals', async () => {
    const rig = new DeliveryRig({ answer: () => status(400) });
    await rig.delivery.start();
    for (let count = 1; count <= 5; count += 1) {
      assert.equal(count === 1 || rig.book.has('alice', '1'), true);
      await rig.delivery.enqueue([rig.push('alice/1')]);
      await rig.clock.advance(1);
    }
    assert.equal(rig.book.has('alice', '1'), false);
    assert.equal(rig.sent.length, 5);
  });

  it('keeps a subscription that did take one', async () => {
    const rig: DeliveryRig = new DeliveryRig({
      answer: () => status(rig.sent.length === 1 ? 201 : 400),
    });
    await rig.delivery.start();
    for (let count = 1; count <= 20; count += 1) {
      await rig.delivery.enqueue([rig.push('alice/1')]);
      await rig.clock.advance(1);
    }
    assert.equal(rig.sent.length, 20);
    assert.equal(rig.book.has('alice', '1'), true);
  });

  it('removes a subscription whose keys are no keys', async () => {
    const rig = new DeliveryRig();
    await rig.delivery.start();
    const push = rig.push('alice/1');
    const keys = { p256dh: 'AAAA', auth: 'AAAA' };
    rig.book.set('alice', '1', { endpoint: push.endpoint, keys });
    await rig.delivery.enqueue([push]);
    await rig.clock.advance(1);
    assert.equal(rig.sent.length, 0);
    assert.match(rig.book.removed[0]!.reason, /p256dh/);
    assert.deepEqual(rig.counted, ['message bad-key', 'dropped refused']);
  });

  it('sends nothing to an endpoint that the guard does not like', async () => {
    const rig = new DeliveryRig();
    await rig.delivery.start();
    await rig.delivery.enqueue([rig.push('alice/1', {}, 'https://127.0.0.1:8443')]);
    await rig.clock.advance(1);
    assert.equal(rig.sent.length, 0);
    assert.deepEqual(rig.counted, ['message guard', 'dropped refused']);
  });

  it('drops what is owed to a subscription that is gone or was replaced, and asks for no key', async () => {
    const rig = new DeliveryRig({ vapid: () => assert.fail('it would be made') });
    await rig.delivery.start();
    const [one, other] = [rig.push('alice/1'), rig.push('alice/2')];
    await rig.book.remove('alice', '1', one.endpoint, '');
    rig.book.set('alice', '2', { endpoint: `${SERVICE}/new`, keys: { p256dh: '', auth: '' } });
    await rig.delivery.enqueue([one, other]);
    await rig.clock.advance(1);
    assert.equal(rig.sent.length, 0);
    assert.deepEqual(await rig.owed(), []);
    assert.deepEqual(rig.counted, ['dropped gone', 'dropped gone']);
  });

  it('tells how long it took from the event until the service accepted', async () => {
    const rig: DeliveryRig = new DeliveryRig({
      answer: () => status(rig.sent.length === 1 ? 500 : 201),
    });
    await rig.delivery.start();
    await rig.delivery.enqueue([rig.push('alice/1', { createdAt: rig.clock.now() - 3_000 })]);
    await rig.clock.advance(1_000);
    assert.deepEqual(rig.latencies, [3.2]);
  });
});

describe('413: drop padding, then content, then all but ids', () => {
  const payload = (uid: number, content: number) =>
    JSON.stringify({
      subject: 's',
      content: 'x'.repeat(content),
      uid,
      uidvalidity: 9,
      folder: 'f',
    });
  const read = ({ request }: { request: { body: Buffer } }) => [
    request.body.length,
    Object.keys(JSON.parse(readPush(request.body)) as object).length,
  ];

  it('sends smaller and smaller until the service takes it', async () => {
    const rig = new DeliveryRig({
      padding: true,
      answer: ({ request }) => status(request.body.length > 180 ? 413 : 201),
    });
    await rig.delivery.start();
    await rig.delivery.enqueue([rig.push('alice/1', { payload: payload(1, 2_500) })]);
    await rig.clock.advance(0);
    assert.deepEqual(rig.sent.map(read), [
      [102 + 3_072, 5],
      [103 + payload(1, 2_500).length, 5],
      [103 + JSON.stringify({ subject: 's', uid: 1, uidvalidity: 9, folder: 'f' }).length, 4],
    ]);
    assert.deepEqual(await rig.owed(), []);
    assert.equal(rig.book.results.length, 1);
    assert.equal(rig.book.results[0]!.delivered, true);
  });

  it('remembers what the endpoint refused, and sends the next push once', async () => {
    const rig = new DeliveryRig({
      answer: ({ request }) => status(request.body.length > 2_100 ? 413 : 201),
    });
    await rig.delivery.start();
    for (const [uid, content] of [
      [1, 3_000],
      [2, 3_100],
      [3, 1_000],
    ] as const) {
      await rig.delivery.enqueue([rig.push('alice/1', { payload: payload(uid, content) })]);
      await rig.clock.advance(10);
    }
    const sizes = rig.sent.map((push) => read(push)[1]);
    assert.deepEqual(sizes, [5, 4, 4, 5]);
    await rig.delivery.enqueue([rig.push('bob/1', { payload: payload(4, 3_000) })]);
    await rig.clock.advance(10);
    assert.deepEqual(
      rig.sent.slice(4).map((push) => read(push)[1]),
      [5, 4],
    );
  });

  it('gives up when even the ids are too large', async () => {
    const rig = new DeliveryRig({ padding: true, answer: () => status(413) });
    await rig.delivery.start();
    await rig.delivery.enqueue([rig.push('alice/1', { payload: payload(1, 2_500) })]);
    await rig.clock.advance(0);
    assert.equal(rig.sent.length, 4);
    assert.deepEqual(await rig.owed(), []);
    assert.equal(rig.book.has('alice', '1'), true);
    assert.equal(rig.counted.at(-1), 'dropped refused');
  });

  it('says when a validation push is taken, however late, and gives that one its whole life', async () => {
    let requests = 0;
    const rig = new DeliveryRig({ answer: () => status((requests += 1) < 6 ? 503 : 201) });
    await rig.delivery.start();
    const expiresAt = rig.clock.now() + 300_000;
    const validation = { kind: 'validation', payload: '{"validation":"x"}', expiresAt } as const;
    await rig.delivery.enqueue([rig.push('alice/1', validation), rig.push('bob/1')]);
    await rig.clock.advance(1_000);
    assert.deepEqual(rig.book.validationsSent, []);
    await rig.clock.advance(299_000);
    assert.deepEqual(rig.book.validationsSent, ['alice 1']);
    const attempts = rig.sent.filter(({ to }) => to === 'alice/1');
    assert.ok(attempts.length > 1);
    assert.deepEqual(
      new Set(attempts.map(({ request }) => request.headers['TTL'])),
      new Set(['300']),
    );
  });

  it('settles a validation push that is taken also when that cannot be noted', async () => {
    const rig = new DeliveryRig();
    rig.book.validationSent = () => Promise.reject(new UnavailableError('the store is full'));
    await rig.delivery.start();
    const push = rig.push('alice/1', { kind: 'validation', payload: '{"validation":"abc"}' });
    assert.equal((await rig.delivery.attemptNow(push)).verdict, 'accepted');
    await rig.clock.advance(60_000);
    assert.equal(rig.sent.length, 1);
    assert.deepEqual(await rig.owed(), []);
  });

  it('cannot shrink a validation push', async () => {
    const rig = new DeliveryRig({ answer: () => status(413) });
    await rig.delivery.start();
    const push = rig.push('alice/1', { kind: 'validation', payload: '{"validation":"abc"}' });
    await rig.delivery.enqueue([push]);
    await rig.clock.advance(0);
    assert.equal(rig.sent.length, 1);
    assert.equal(rig.sent[0]!.request.headers['WebPush-Validation'], '');
    assert.deepEqual(await rig.owed(), []);
  });
});
