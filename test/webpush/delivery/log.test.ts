import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AttemptResult } from '../../../src/webpush/client/attempt-result.ts';
import { DeliveryRig, receiverKeys, SERVICE, status } from '../../support/delivery-rig.ts';
import { recordLog } from '../../support/record-log.ts';

const answered = (code: number, answer: string): AttemptResult => ({
  kind: 'response',
  status: code,
  answer,
});

async function run(answer: (count: number) => AttemptResult, msecs = 1_000) {
  const { log, lines } = recordLog();
  const rig: DeliveryRig = new DeliveryRig({ log, answer: () => answer(rig.sent.length) });
  await rig.delivery.start();
  const push = rig.push('alice/1');
  const endpoint = `${SERVICE}/secret-path-0123`;
  rig.book.set('alice', '1', { endpoint, keys: receiverKeys });
  await rig.delivery.enqueue([{ ...push, endpoint }]);
  await rig.clock.advance(msecs);
  return { rig, lines };
}

describe('what an administrator reads', () => {
  it('why a subscription was removed', async () => {
    const { rig } = await run(() => answered(410, 'no such subscription'));
    assert.deepEqual(
      rig.book.removed.map(({ reason }) => reason),
      [`the push service answered 410: no such subscription (${SERVICE})`],
    );
  });

  it('that a push was given up', async () => {
    const { lines } = await run(() => answered(400, 'bad TTL'));
    const line = lines.find(({ level }) => level === 'warn');
    assert.equal(line?.['why'], 'the push service answered 400: bad TTL');
    assert.equal(line['service'], SERVICE);
  });

  it('that our authorization is refused, with what to check, and not for every push again', async () => {
    const { lines } = await run(() => answered(403, 'BadJwtToken'), 60_000);
    const alerts = lines.filter(({ level }) => level === 'error');
    assert.equal(alerts.length, 1);
    assert.match(alerts[0]!.msg, /vapid_subject/);
    assert.match(String(alerts[0]!['why']), /BadJwtToken/);
  });

  it('that a push resource has a pause', async () => {
    const { lines } = await run((count) => status(count === 1 ? 429 : 201, '30'), 31_000);
    assert.deepEqual(
      lines.filter(({ level }) => level !== 'debug').map(({ level, msg }) => `${level} ${msg}`),
      ['warn a push resource is given a pause; others of its push service go on'],
    );
  });

  it('that a push service fails for several users, and that it is back', async () => {
    const { log, lines } = recordLog();
    let down = true;
    const rig = new DeliveryRig({
      log,
      unencrypted: true,
      answer: () => status(down ? 500 : 201),
    });
    await rig.delivery.start();
    await rig.delivery.enqueue([1, 2, 3, 4, 5].map((user) => rig.push(`user${user}/1`)));
    await rig.clock.advance(30_000);
    down = false;
    await rig.clock.advance(11_000);
    assert.deepEqual(
      lines.filter(({ level }) => level !== 'debug').map(({ level, msg }) => `${level} ${msg}`),
      [
        'warn a push service fails for several users and is slowed to probes',
        'info a push service takes pushes again',
      ],
    );
  });

  it('no endpoint, key, token or payload, whatever happens', async () => {
    const results: AttemptResult[] = [
      ...[201, 301, 400, 401, 403, 404, 410, 413, 429, 500].map((code) => status(code)),
      ...(['timeout', 'guard', 'tls', 'proxy-auth', 'internal'] as const).map(
        (reason): AttemptResult => ({ kind: 'failed', reason, detail: 'x' }),
      ),
    ];
    for (const result of results) {
      const { rig, lines } = await run(() => result, 30_000);
      await rig.delivery.stop(0);
      const text = JSON.stringify([lines, rig.book.removed, rig.delivery.snapshot()]);
      for (const secret of [
        'secret-path',
        receiverKeys.p256dh,
        receiverKeys.auth,
        'eyJ',
        '"uid"',
      ]) {
        assert.equal(text.includes(secret), false, `${JSON.stringify(result)}: ${secret}`);
      }
    }
  });
});
