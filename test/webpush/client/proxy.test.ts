import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { InvalidInputError } from '../../../src/errors.ts';
import { parseProxyUrl } from '../../../src/webpush/client/parse-proxy-url.ts';
import { createPushClient } from '../../../src/webpush/client/push-client.ts';
import { parseGuardPolicy } from '../../../src/webpush/guard/guard-policy.ts';
import type { ResolveHost } from '../../../src/webpush/guard/resolve-host.ts';
import { startConnectProxy, type TestProxyOptions } from '../../support/connect-proxy.ts';
import { makeCertificates } from '../../support/make-certificates.ts';
import { startImpostor } from '../../support/impostor.ts';
import { notRoot } from '../../support/unprivileged.ts';
import { startPushService, type TestPushServiceOptions } from '../../support/push-service.ts';
import { teardownOf } from '../../support/create-teardown.ts';

const credentials = { username: 'coi', password: 'pa:ss wörd' };
const loopback: ResolveHost = () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]);

interface Setup {
  proxy?: TestProxyOptions;
  service?: TestPushServiceOptions;
  login?: { username: string; password: string };
  allow?: string[];
  resolve?: ResolveHost;
  timeoutMsecs?: number;
}

async function setUp(t: TestContext, setup: Setup = {}) {
  const proxy = await startConnectProxy(setup.proxy);
  teardownOf(t).defer(() => proxy.close());
  const server = await startPushService(setup.service);
  teardownOf(t).defer(() => server.close());
  const login = setup.login ?? { username: '', password: '' };
  const client = createPushClient({
    timeoutMsecs: setup.timeoutMsecs ?? 5_000,
    policy: parseGuardPolicy(setup.allow ?? ['127.0.0.1']),
    ca: [makeCertificates().ca],
    resolve: setup.resolve ?? loopback,
    proxy: parseProxyUrl({ url: proxy.url, ...login }),
    connectionsPerOrigin: 2,
  });
  teardownOf(t).defer(() => client.close());
  const request = () => ({
    ...{ url: new URL(`https://a.push.test:${server.port}/x`), target: '/x' },
    headers: { TTL: '1' },
    body: Buffer.from('body'),
  });
  return { proxy, server, client, send: () => client.send(request(), 'alice') };
}

describe('another user who has taken the port of the proxy', { skip: notRoot }, () => {
  const tell = async (t: TestContext, port: number, trustedUsers: string[]) => {
    const client = createPushClient({
      timeoutMsecs: 5_000,
      policy: parseGuardPolicy(['127.0.0.1']),
      resolve: loopback,
      proxy: parseProxyUrl({ url: `http://127.0.0.1:${port}`, ...credentials, trustedUsers }),
    });
    teardownOf(t).defer(() => client.close());
    const url = new URL('https://a.push.test:444/x');
    const result = await client.send(
      { url, target: '/x', headers: {}, body: Buffer.of() },
      'alice',
    );
    return { result, state: client.proxyState() };
  };

  it('is not sent the password', async (t) => {
    await using impostor = await startImpostor();
    assert.deepEqual(await tell(t, impostor.port, []), {
      result: { kind: 'failed', reason: 'proxy', detail: 'untrusted_peer' },
      state: 'untrusted',
    });
    assert.equal(impostor.heard(), '');
    await tell(t, impostor.port, ['nobody']);
    assert.match(impostor.heard(), /proxy-authorization: Basic/, 'it listens');
  });
});

const accepted = { kind: 'response', status: 201 };

for (const tls of [false, true]) {
  const scheme = tls ? 'https' : 'http';

  describe(`createPushClient through an ${scheme} proxy`, () => {
    it('opens a tunnel to the judged address, and the TLS inside is with the push service', async (t) => {
      const { proxy, server, client, send } = await setUp(t, { proxy: { tls } });
      assert.equal(client.proxyState(), 'unknown');
      assert.deepEqual(await send(), accepted);
      assert.deepEqual(proxy.requests, [
        {
          authority: `127.0.0.1:${server.port}`,
          host: `127.0.0.1:${server.port}`,
          authorization: undefined,
        },
      ]);
      assert.equal(server.pushes[0]?.headers.host, `a.push.test:${server.port}`);
      assert.equal(server.pushes[0].headers['proxy-authorization'], undefined);
      assert.equal(client.proxyState(), 'ok');
    });

    it('says who it is, to the proxy only', async (t) => {
      const { server, client, send } = await setUp(t, {
        proxy: { tls, credentials },
        login: credentials,
      });
      assert.deepEqual(await send(), accepted);
      assert.equal(server.pushes[0]?.headers['proxy-authorization'], undefined);
      assert.equal(client.proxyState(), 'ok');
    });

    it('tells a 407 as our own fault', async (t) => {
      const { server, client, send } = await setUp(t, {
        proxy: { tls, credentials },
        login: { ...credentials, password: 'wrong' },
      });
      assert.deepEqual(await send(), { kind: 'failed', reason: 'proxy-auth', detail: 'proxy' });
      assert.equal(client.proxyState(), 'auth');
      assert.equal(server.connections, 0);
    });

    it('opens as many tunnels as connections, and uses them again', async (t) => {
      const { proxy, server, send } = await setUp(t, { proxy: { tls } });
      await Promise.all(Array.from({ length: 10 }, send));
      await send();
      assert.equal(server.pushes.length, 11);
      assert.equal(proxy.requests.length, 2);
    });

    for (const [refuse, state] of [
      [403, 'refused'],
      [502, 'refused'],
      [503, 'refused'],
      ['reset', 'down'],
      ['garbage', 'down'],
      ['hang', 'down'],
    ] as const) {
      it(`tells a proxy that answers with ${refuse}`, async (t) => {
        const { client, send } = await setUp(t, {
          proxy: { tls, refuse },
          timeoutMsecs: refuse === 'hang' ? 500 : 5_000,
        });
        const result = await send();
        const reason = refuse === 'hang' ? /timeout|proxy/ : /^proxy$/;
        assert.match(result.kind === 'failed' ? result.reason : 'answered', reason);
        await new Promise((resolve) => setTimeout(resolve, 200));
        assert.equal(client.proxyState(), state);
      });
    }

    it('tells a proxy that is down, and notices when it is back', async (t) => {
      const { proxy, client, send } = await setUp(t, { proxy: { tls } });
      await proxy.close();
      const result = await send();
      assert.equal(result.kind === 'failed' && result.reason, 'proxy');
      assert.equal(client.proxyState(), 'down');
    });

    it("finds the push service's certificate wanting, not the proxy's", async (t) => {
      const { client, send } = await setUp(t, {
        proxy: { tls },
        service: { tls: makeCertificates().untrusted },
      });
      const result = await send();
      assert.equal(result.kind === 'failed' && result.reason, 'tls');
      assert.equal(client.proxyState(), 'ok');
    });
  });
}

describe('createPushClient with a proxy: names are judged here', () => {
  it('asks the proxy for nothing that resolves to a private address', async (t) => {
    const { proxy, send } = await setUp(t, { allow: [] });
    const result = await send();
    assert.equal(result.kind === 'failed' && result.reason, 'guard');
    assert.equal(proxy.requests.length, 0);
  });

  it('gets a name past nobody that is public here and loopback for the proxy', async (t) => {
    const { proxy, server, send } = await setUp(t, {
      allow: [],
      resolve: () => Promise.resolve([{ address: '9.9.9.9', family: 4 }]),
      proxy: { resolvesToLoopback: true },
    });
    await send();
    assert.deepEqual(
      proxy.requests.map(({ authority }) => authority),
      [`9.9.9.9:${server.port}`],
    );
    assert.equal(server.connections, 0);
  });

  it('tries the other family when the proxy cannot reach the first', async (t) => {
    const { proxy, server, send } = await setUp(t, {
      allow: ['127.0.0.1', '::1'],
      resolve: () =>
        Promise.resolve([
          { address: '127.0.0.1', family: 4 },
          { address: '::1', family: 6 },
        ]),
      proxy: { noIPv4: true },
    });
    assert.deepEqual(await send(), accepted);
    assert.deepEqual(
      proxy.requests.map(({ authority }) => authority),
      [`127.0.0.1:${server.port}`, `[::1]:${server.port}`],
    );
  });

  it('pushes to http:// through a tunnel as well', async (t) => {
    const { proxy, server, client } = await setUp(t, { service: { tls: false } });
    const url = new URL(`http://a.push.test:${server.port}/x`);
    const request = { url, target: '/x', headers: { TTL: '1' }, body: Buffer.from('body') };
    assert.deepEqual(await client.send(request, 'alice'), accepted);
    assert.equal(server.pushes[0]?.headers.host, `a.push.test:${server.port}`);
    assert.equal(proxy.requests[0]?.authority, `127.0.0.1:${server.port}`);
  });

  it('does not resolve a host that is listed, which only the proxy may be able to', async (t) => {
    const resolve: ResolveHost = () => Promise.reject(new Error('must not be asked'));
    const { proxy, server, send } = await setUp(t, { allow: ['a.push.test'], resolve });
    assert.deepEqual(await send(), accepted);
    assert.equal(proxy.requests[0]?.authority, `a.push.test:${server.port}`);
  });
});

describe('parseProxyUrl', () => {
  const parse = (url: string, username = '', password = '') =>
    parseProxyUrl({ url, username, password });
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

  for (const [url, username, password, origin, authorization] of [
    ['http://proxy.lan:3128', '', '', 'http://proxy.lan:3128', undefined],
    ['http://proxy.lan:3128/', 'u', 'p', 'http://proxy.lan:3128', basic('u:p')],
    ['https://proxy.lan', 'u', '', 'https://proxy.lan', basic('u:')],
    ['http://in:url%40@proxy.lan', '', '', 'http://proxy.lan', basic('in:url@')],
    ['http://in:url@proxy.lan', 'u', 'p', 'http://proxy.lan', basic('u:p')],
    ['http://[::1]:3128', '', '', 'http://[::1]:3128', undefined],
  ] as const) {
    it(`reads ${url} for "${username}"`, () => {
      const proxy = parse(url, username, password);
      assert.equal(proxy?.origin, origin);
      assert.equal(proxy.authorization, authorization);
    });
  }

  it('is undefined without a proxy', () => assert.equal(parse(''), undefined));

  for (const [url, username] of [
    ['proxy.lan:3128', ''],
    ['socks5://proxy.lan', ''],
    ['http://', ''],
    ['http://proxy.lan/path', ''],
    ['http://proxy.lan/?x', ''],
    ['http://proxy.lan', 'a:b'],
    ['', 'user-without-a-proxy'],
  ] as const) {
    it(`refuses "${url}" for "${username}", and repeats no secret`, () => {
      assert.throws(
        () => parse(url, username, 'secret'),
        (error) => error instanceof InvalidInputError && !error.message.includes('secret'),
      );
    });
  }
});
