import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createHostResolver, ResolveError } from '../../../src/webpush/guard/resolve-host.ts';

const resolve = createHostResolver(1_000);

describe('createHostResolver', () => {
  it("asks the system about the administrator's own names, which may be in /etc/hosts", async () => {
    const addresses = await resolve('localhost', true);
    assert.ok(addresses.some(({ address, family }) => address === '127.0.0.1' && family === 4));
  });

  it('asks name servers about all others, and never waits for more than its time', async () => {
    const started = performance.now();
    await assert.rejects(resolve('does-not-exist.invalid', false), ResolveError);
    assert.ok(performance.now() - started < 5_000);
  });

  it('tells a name that the system does not know', async () => {
    await assert.rejects(resolve('does-not-exist.invalid', true), ResolveError);
  });
});
