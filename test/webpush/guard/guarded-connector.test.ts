import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { createSecureContext } from 'node:tls';
import { Pool } from 'undici';
import { classifyFailure } from '../../../src/webpush/client/classify-failure.ts';
import { createPushClient } from '../../../src/webpush/client/push-client.ts';
import { createGuardedConnector } from '../../../src/webpush/guard/guarded-connector.ts';
import { parseGuardPolicy, type GuardPolicy } from '../../../src/webpush/guard/guard-policy.ts';
import { hostOf, portOf } from '../../../src/webpush/guard/judge-endpoint.ts';
import { createHostResolver, type ResolveHost } from '../../../src/webpush/guard/resolve-host.ts';
import { createTeardown } from '../../support/create-teardown.ts';
import { HOSTILE_ENDPOINTS, HOSTILE_NAMES } from '../../support/hostile-endpoints.ts';
import { makeCertificates } from '../../support/make-certificates.ts';
import { startPushService, type TestPushService } from '../../support/push-service.ts';

const timeoutMsecs = 2_000;
const nothing = parseGuardPolicy([]);
const systemResolver = createHostResolver(timeoutMsecs);

/** Past every check of the URL: the connector alone stands between the request and the network. */
async function connect(
  url: URL,
  policy: GuardPolicy = nothing,
  resolve: ResolveHost = systemResolver,
): Promise<string> {
  const destination = { protocol: url.protocol, host: hostOf(url), port: portOf(url) };
  const pool = new Pool(url.origin, {
    connect: createGuardedConnector(destination, {
      ...{ policy, resolve, timeoutMsecs },
      secureContext: createSecureContext(),
    }),
  });
  try {
    const { statusCode } = await pool.request({ path: '/', method: 'POST' });
    return String(statusCode);
  } catch (error) {
    return classifyFailure(error);
  } finally {
    await pool.destroy();
  }
}

const answers =
  (...addresses: string[]): ResolveHost =>
  () =>
    Promise.resolve(
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );

describe('createGuardedConnector', () => {
  let v4: TestPushService;
  let v6: TestPushService;
  const teardown = createTeardown();
  before(async () => {
    v4 = await startPushService({ tls: false, host: '0.0.0.0' });
    teardown.defer(() => v4.close());
    v6 = await startPushService({ tls: false, host: '::1' });
    teardown.defer(() => v6.close());
  });

  const refused = async (work: () => Promise<unknown>): Promise<void> => {
    const made = v4.connections + v6.connections;
    await work();
    assert.equal(v4.connections + v6.connections, made, 'a connection was made');
  };

  for (const write of [...HOSTILE_ENDPOINTS, ...HOSTILE_NAMES]) {
    it(`makes no connection for ${JSON.stringify(write('<port>'))}`, async () => {
      for (const port of [v4.port, v6.port]) {
        for (const scheme of ['https:', 'http:']) {
          const url = URL.parse(write(String(port)).replace(/^https?:/, scheme));
          if (url !== null) {
            await refused(async () => assert.match(await connect(url), /guard|dns/));
          }
        }
      }
    });
  }

  it('would have made one without the guard: the server does answer', async () => {
    const url = new URL(`http://127.0.0.1:${v4.port}/`);
    assert.equal(await connect(url, parseGuardPolicy(['127.0.0.1'])), '201');
    const six = new URL(`http://[::1]:${v6.port}/`);
    assert.equal(await connect(six, parseGuardPolicy(['::1'])), '201');
  });

  for (const [what, addresses] of [
    ['loopback', ['127.0.0.1']],
    ['a good and a bad address', ['93.184.216.34', '127.0.0.1']],
    ['a bad and a good address', ['127.0.0.1', '93.184.216.34']],
    ['a v4-mapped loopback', ['::ffff:127.0.0.1']],
    ['loopback over NAT64', ['64:ff9b::7f00:1']],
    ['a private v6 address after a good one', ['93.184.216.34', 'fd00::1']],
    ['no address', []],
    ['what is no address', ['localhost']],
  ] as const) {
    it(`refuses a name that resolves to ${what}`, async () => {
      const url = new URL(`https://push.example.org:${v4.port}/`);
      await refused(async () => {
        assert.equal(await connect(url, nothing, answers(...addresses)), 'guard');
      });
    });
  }

  it('connects to what it judged, however the name server answers next (DNS rebinding)', async () => {
    let asked = 0;
    const rebinding: ResolveHost = (host, trusted) => {
      asked += 1;
      return answers(asked === 1 ? '127.0.0.2' : '127.0.0.1')(host, trusted);
    };
    const url = new URL(`http://rebind.example.org:${v4.port}/`);
    const policy = parseGuardPolicy(['127.0.0.2']);
    assert.equal(await connect(url, policy, rebinding), '201');
    assert.equal(asked, 1);
    assert.equal(await connect(url, policy, rebinding), 'guard');
  });

  it('judges the far end of the finished connection once more', async () => {
    let asked = 0;
    const forgetful: GuardPolicy = {
      allowsHost: () => false,
      allowsAddress: () => (asked += 1) === 1,
      hasAddresses: true,
      isTestReceiver: () => false,
    };
    const url = new URL(`http://push.example.org:${v4.port}/`);
    assert.equal(await connect(url, forgetful, answers('127.0.0.1')), 'guard');
    assert.equal(asked, 2);
  });

  for (const [url, entries, result] of [
    ['http://push.example.org', ['127.0.0.0/8'], '201'],
    ['http://push.example.org', ['push.example.org'], '201'],
    ['http://push.example.org', ['other.example.org'], 'guard'],
    ['http://push.example.org', ['10.0.0.0/8'], 'guard'],
    ['http://127.0.0.1', ['localhost'], 'guard'],
  ] as const) {
    it(`${url} on loopback with ${entries.join()}: ${result}`, async () => {
      const policy = parseGuardPolicy([...entries]);
      assert.equal(
        await connect(new URL(`${url}:${v4.port}`), policy, answers('127.0.0.1')),
        result,
      );
    });
  }

  it('refuses http:// and low ports to names that turn out to be public', async () => {
    const policy = parseGuardPolicy(['10.0.0.0/8']);
    for (const url of ['http://push.example.org:8080/', 'https://push.example.org:25/']) {
      assert.equal(await connect(new URL(url), policy, answers('93.184.216.34')), 'guard');
    }
  });

  it('guards the push client as a whole: the same URLs, sent as pushes', async () => {
    const { ca } = makeCertificates();
    const client = createPushClient({ timeoutMsecs, policy: nothing, ca: [ca] });
    const request = { target: '/', headers: {}, body: Buffer.from('x') };
    for (const write of [...HOSTILE_ENDPOINTS, ...HOSTILE_NAMES]) {
      const url = URL.parse(write(String(v4.port)));
      if (url === null) continue;
      await refused(async () => {
        const result = await client.send({ url, ...request }, 'u');
        const reason = result.kind === 'failed' ? result.reason : 'answered';
        assert.match(reason, /guard|dns/);
      });
    }
    await client.close();
  });
});
