import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPushClient } from '../../../src/webpush/client/push-client.ts';
import { parseProxyUrl } from '../../../src/webpush/client/parse-proxy-url.ts';
import { parseGuardPolicy } from '../../../src/webpush/guard/guard-policy.ts';
import { judgeEndpoint } from '../../../src/webpush/guard/judge-endpoint.ts';
import {
  createTestReceivers,
  TEST_RECEIVER_MSECS,
} from '../../../src/webpush/guard/test-receivers.ts';
import { startConnectProxy } from '../../support/connect-proxy.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { startPushService } from '../../support/push-service.ts';

function setUp(allow: readonly string[] = []) {
  const clock = new ManualClock();
  const receivers = createTestReceivers(clock);
  const policy = receivers.extend(parseGuardPolicy(allow));
  const allows = (endpoint: string): boolean => judgeEndpoint(endpoint, policy).allowed;
  return { clock, receivers, policy, allows };
}

describe('a test receiver', () => {
  it('is let through on its port of 127.0.0.1 only', () => {
    const { receivers, allows } = setUp();
    assert.equal(allows('http://127.0.0.1:4711/p'), false);
    receivers.admit(4711);
    assert.equal(allows('http://127.0.0.1:4711/p'), true);
    for (const other of [
      'http://127.0.0.1:4712/p',
      'http://127.0.0.2:4711/p',
      'http://localhost:4711/p',
      'http://[::1]:4711/p',
      'http://10.0.0.1:4711/p',
    ]) {
      assert.equal(allows(other), false, other);
    }
  });

  it('ends when it is dismissed', () => {
    const { receivers, allows } = setUp();
    receivers.admit(4711);
    assert.equal(receivers.dismiss(4711), true);
    assert.equal(allows('http://127.0.0.1:4711/p'), false);
    assert.equal(receivers.dismiss(4711), false);
  });

  it('ends by itself, however the clock is set', async () => {
    const { clock, receivers, allows } = setUp();
    assert.equal(receivers.admit(4711), clock.now() + TEST_RECEIVER_MSECS);
    clock.step(-3_600_000);
    await clock.advance(TEST_RECEIVER_MSECS - 1);
    assert.equal(allows('http://127.0.0.1:4711/p'), true);
    await clock.advance(1);
    assert.equal(allows('http://127.0.0.1:4711/p'), false);
  });

  it('is one of a few; those that ended do not count', async () => {
    const { clock, receivers } = setUp();
    for (let port = 5000; port < 5008; port++) receivers.admit(port);
    receivers.admit(5000);
    assert.throws(() => receivers.admit(5008), /8 test receivers are at work/);
    await clock.advance(TEST_RECEIVER_MSECS);
    receivers.admit(5008);
  });

  it('takes nothing away from what the configuration allows', () => {
    const { receivers, policy, allows } = setUp(['ntfy.lan', '10.0.0.0/8']);
    receivers.admit(4711);
    assert.equal(policy.hasAddresses, true);
    assert.equal(allows('http://10.1.2.3/p'), true);
    assert.equal(policy.allowsHost('ntfy.lan', 443), true);
    assert.equal(policy.isTestReceiver('10.1.2.3', 4711), false);
  });

  it('gets its pushes directly, whatever the proxy', async () => {
    const { receivers, policy } = setUp();
    await using stack = new AsyncDisposableStack();
    const service = await startPushService({ tls: false });
    stack.defer(() => service.close());
    const proxy = await startConnectProxy({ refuse: 403 });
    stack.defer(() => proxy.close());
    const client = createPushClient({
      ...{ timeoutMsecs: 10_000, policy },
      proxy: parseProxyUrl({ url: proxy.url, username: '', password: '' }),
    });
    stack.defer(() => client.close());
    const request = {
      ...{ url: new URL(`${service.origin}/p`), target: '/p' },
      headers: {},
      body: Buffer.from('x'),
    } as unknown as Parameters<typeof client.send>[0];

    const before = await client.send(request, 'bob');
    assert.equal(before.kind === 'failed' && before.reason, 'guard');
    receivers.admit(service.port);
    assert.deepEqual(await client.send(request, 'bob'), { kind: 'response', status: 201 });
    assert.deepEqual(proxy.requests, []);
  });
});
