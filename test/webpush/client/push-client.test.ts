import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import {
  createPushClient,
  type PushClientOptions,
} from '../../../src/webpush/client/push-client.ts';
import type { Exchange } from '../../../src/webpush/client/exchange.ts';
import { parseGuardPolicy } from '../../../src/webpush/guard/guard-policy.ts';
import { ResolveError } from '../../../src/webpush/guard/resolve-host.ts';
import { makeCertificates } from '../../support/make-certificates.ts';
import { later } from '../../support/push-answers.ts';
import {
  answerWith,
  startPushService,
  type Answer,
  type TestPushServiceOptions,
} from '../../support/push-service.ts';
import { teardownOf } from '../../support/create-teardown.ts';

const policy = parseGuardPolicy(['127.0.0.0/8', '::1']);
const loopback = () => Promise.resolve([{ address: '127.0.0.1', family: 4 } as const]);

function setUpClient(t: TestContext, options: Partial<PushClientOptions> = {}) {
  const client = createPushClient({
    timeoutMsecs: 5_000,
    policy,
    ca: [makeCertificates().ca],
    resolve: loopback,
    ...options,
  });
  teardownOf(t).defer(() => client.close());
  const send = (url: string, body = 'body') =>
    client.send(
      {
        ...{ url: new URL(url), target: url.replace(/^https?:\/\/[^/]*/, '') },
        ...{ headers: { TTL: '1' }, body: Buffer.from(body) },
      },
      'alice',
    );
  return { client, send };
}

async function setUp(
  t: TestContext,
  service: TestPushServiceOptions = {},
  options: Partial<PushClientOptions> = {},
) {
  const server = await startPushService(service);
  teardownOf(t).defer(() => server.close());
  const { client, send } = setUpClient(t, options);
  return { server, client, sendTo: send, send: () => send(`${server.origin}/push/123?x=y`) };
}

it('trusts other authorities from one push to the next', async (t) => {
  const { client, send } = await setUp(t, {}, { ca: [] });
  const before = await send();
  assert.ok(before.kind === 'failed');
  assert.equal(before.reason, 'tls');
  client.adapt({ ca: [makeCertificates().ca] });
  assert.deepEqual(await send(), { kind: 'response', status: 201 });
  client.adapt({ ca: [] });
  assert.equal((await send()).kind, 'failed');
});

const elapsed = async <T>(work: () => Promise<T>): Promise<[T, number]> => {
  const started = performance.now();
  const result = await work();
  return [result, performance.now() - started];
};

describe('createPushClient: answers', () => {
  for (const status of [
    200, 201, 202, 204, 301, 400, 401, 403, 404, 410, 413, 429, 500, 503, 507,
  ]) {
    it(`reports ${status}`, async (t) => {
      const { server, send } = await setUp(t, { answer: answerWith(status) });
      assert.deepEqual(await send(), { kind: 'response', status });
      assert.equal(server.pushes.length, 1);
      assert.equal(server.pushes[0]?.path, '/push/123?x=y');
      assert.equal(server.pushes[0].headers['ttl'], '1');
      assert.equal(server.pushes[0].headers['content-length'], '4');
      assert.equal(server.pushes[0].body.toString(), 'body');
    });
  }

  it('does not follow a redirect', async (t) => {
    const other = await startPushService();
    teardownOf(t).defer(() => other.close());
    const answer = answerWith(307, { location: `${other.origin}/elsewhere` });
    const { send } = await setUp(t, { answer });
    assert.deepEqual(await send(), { kind: 'response', status: 307 });
    assert.equal(other.connections, 0);
  });

  it('passes Retry-After on as it came', async (t) => {
    const { send } = await setUp(t, { answer: answerWith(429, { 'retry-after': '120' }) });
    assert.deepEqual(await send(), { kind: 'response', status: 429, retryAfter: '120' });
  });

  it('tells what the service said about an error, but no URL and no part of the endpoint', async (t) => {
    const says =
      'no such\u0000 subscription: https://x.test/secret-token-1, secret-token-1 <b>!</b>';
    const { server, sendTo } = await setUp(t, { answer: answerWith(410, {}, says) });
    assert.deepEqual(await sendTo(`${server.origin}/push/secret-token-1`), {
      kind: 'response',
      status: 410,
      answer: 'no such subscription: … … !',
    });
  });

  it('waits for the answer behind 103 Early Hints', async (t) => {
    const answer: Answer = (response) => {
      response.writeEarlyHints({ link: '</x>; rel=preload' });
      response.writeHead(201).end();
    };
    const { send } = await setUp(t, { answer });
    assert.deepEqual(await send(), { kind: 'response', status: 201 });
  });
});

/** What a service says, octet for octet, in pieces a moment apart; then it keeps the connection or not. */
const say =
  (pieces: readonly string[], hangUp = false): Answer =>
  (_response, _push, socket) => {
    const [first, ...rest] = pieces;
    socket.write(first ?? '');
    if (rest.length > 0) setImmediate(() => say(rest, hangUp)(_response, _push, socket));
    else if (hangUp) socket.end();
  };

describe('createPushClient: answers that break the rules', () => {
  const created = 'HTTP/1.1 201 Created\r\n';
  const complete = `${created}Content-Length: 0\r\n\r\n`;
  const long = `X-Long: ${'x'.repeat(8_000)}\r\n`;
  const oneByOne = Array.from(`HTTP/1.1 100 Continue\r\n\r\n${complete}`);
  for (const [what, pieces] of [
    ['an unexpected 100 Continue before it', ['HTTP/1.1 100 Continue\r\n\r\n', complete]],
    ['100, 102 and 103 before it', [100, 102, 103].map((c) => `HTTP/1.1 ${c} X\r\nA: b\r\n\r\n`)],
    ['101 before it', ['HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n', complete]],
    ['199 before it, in one piece', [`HTTP/1.1 199\n\n${complete}`]],
    ['100 before it, octet by octet', oneByOne],
    ['an empty line before it', ['\r\n', complete]],
    ['headers above 16 kB', [created, long, long, long, 'Content-Length: 0\r\n\r\n']],
    ['headers without end', [created, ...Array.from({ length: 30 }, () => long)]],
    [
      'two equal Content-Length fields',
      [`${created}Content-Length: 0\r\nContent-Length: 0\r\n\r\n`],
    ],
    ['two lengths', [`${created}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc`]],
    [
      'a length and chunks',
      [`${created}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc`],
    ],
    ['a length that is none', [`${created}Content-Length: many\r\n\r\n`]],
    ['a field that is none', [`${created}what is this\r\n\r\n`]],
    ['a body that breaks off', [`${created}Content-Length: 9\r\n\r\nabc`]],
    ['chunks that are none', [`${created}Transfer-Encoding: chunked\r\n\r\nzzz\r\n`]],
    ['no end of the header', [`${created}X-A: b\r\n`]],
    ['HTTP/1.0', ['HTTP/1.0 201 OK\r\n\r\nbye']],
  ] as [string, string[]][]) {
    for (const hangUp of [true, false]) {
      it(`takes 201 with ${what}, ${hangUp ? 'and hangs up' : 'and stays'}`, async (t) => {
        const said = pieces.some((piece) => piece.includes('201')) ? pieces : [...pieces, complete];
        const whole = what.includes('octet by octet') ? oneByOne : said;
        const { server, send } = await setUp(t, { answer: say(whole, hangUp) });
        assert.deepEqual(await send(), { kind: 'response', status: 201 });
        if (hangUp) return; // perhaps in the middle of the next request
        server.answer = say(['HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n']);
        assert.deepEqual(await send(), { kind: 'response', status: 202 });
        assert.equal(server.pushes.length, 2);
      });
    }
  }

  it('takes the status of other answers too, and Retry-After where it can be read', async (t) => {
    const head = 'HTTP/1.1 429 Slow Down\r\nRetry-After: 60\r\n';
    const { server, send } = await setUp(t, { answer: say([`${head}${long}${long}${long}\r\n`]) });
    assert.deepEqual(await send(), { kind: 'response', status: 429, retryAfter: '60' });
    server.answer = say([`${head}Content-Length: 0\r\nContent-Length: 0\r\n\r\n`]);
    assert.deepEqual(await send(), { kind: 'response', status: 429 });
  });

  it('uses a connection again that said 100 Continue', async (t) => {
    const answer = say(['HTTP/1.1 100 Continue\r\n\r\n', complete]);
    const { server, send } = await setUp(t, { answer });
    for (let count = 0; count < 3; count += 1) {
      assert.deepEqual(await send(), { kind: 'response', status: 201 });
    }
    assert.equal(server.connections, 1);
  });

  it('waits longer for the answer than for the connection', async (t) => {
    const timeouts = { timeoutMsecs: 2_000, answerMsecs: 20_000 };
    const { send } = await setUp(t, { answer: later(2_500) }, timeouts);
    assert.deepEqual(await send(), { kind: 'response', status: 201 });
  });
});

describe('createPushClient: what the service may have taken all the same', () => {
  for (const [what, answer] of [
    ['a reset', (response) => void response.destroy()],
    ['silence', () => undefined],
    ['no HTTP', (_response, _push, socket) => void socket.end('what?\r\n\r\n')],
    ['1xx alone', say(['HTTP/1.1 100 Continue\r\n\r\n'], true)],
    ['half a status line', say(['HTTP/1.1 2'], true)],
  ] as [string, Answer][]) {
    it(`is what was written and then got ${what}`, async (t) => {
      // As long as a connection may take where many other tests run.
      const { send } = await setUp(t, { answer }, { timeoutMsecs: 2_000 });
      const result = await send();
      assert.equal(result.kind === 'failed' && result.unanswered, true);
    });
  }

  it('is not what went to a connection that was closed meanwhile', async (t) => {
    const { server, send } = await setUp(t);
    await send();
    // Its end of the connection is gone before the next request is there, and says so by a reset.
    server.answer = (response) => void response.destroy();
    const result = await send();
    assert.deepEqual(result, { kind: 'failed', reason: 'reset', detail: 'UND_ERR_SOCKET' });
    assert.equal(server.connections, 1);
  });

  it('is not what never left', async (t) => {
    const { server, send, client } = await setUp(t);
    await server.close();
    assert.equal('unanswered' in (await send()), false);
    await client.close();
    assert.equal('unanswered' in (await send()), false);
  });
});

describe('createPushClient: deadlines over everything', () => {
  const inTime = (msecs: number): void => assert.ok(msecs >= 290 && msecs < 2_500, `${msecs} ms`);
  const deadline = { timeoutMsecs: 300 };
  const timeout = { kind: 'failed', reason: 'timeout', detail: 'ETIMEDOUT' } as const;

  it('gives up on a service that never answers', async (t) => {
    const { send } = await setUp(t, { answer: () => undefined }, { timeoutMsecs: 2_000 });
    const [result, msecs] = await elapsed(send);
    assert.deepEqual(result, { ...timeout, unanswered: true });
    assert.ok(msecs >= 1_990, `${msecs} ms`);
  });

  it('takes the status of a service that drips its headers', async (t) => {
    const answer: Answer = (_response, _push, socket) => {
      const drip = setInterval(() => socket.write('H'), 50);
      socket.once('close', () => clearInterval(drip));
      socket.write('HTTP/1.1 201 Created\r\nX-');
    };
    const { send } = await setUp(t, { answer }, { timeoutMsecs: 10_000 });
    const [result, msecs] = await elapsed(send);
    assert.deepEqual(result, { kind: 'response', status: 201 });
    assert.ok(msecs < 4_000, `${msecs} ms`);
  });

  it('takes the status of a service that drips its body, and hangs up', async (t) => {
    let closed: () => void = () => undefined;
    const hungUp = new Promise<void>((resolve) => (closed = resolve));
    const answer: Answer = (response, _push, socket) => {
      const drip = setInterval(() => response.write('x'), 20);
      socket.once('close', () => {
        clearInterval(drip);
        closed();
      });
      response.writeHead(201);
    };
    const { send } = await setUp(t, { answer }, { timeoutMsecs: 10_000 });
    const [result, msecs] = await elapsed(send);
    assert.deepEqual(result, { kind: 'response', status: 201 });
    assert.ok(msecs < 4_000, `${msecs} ms`);
    await hungUp;
  });

  it('takes the status of a service that answers without end, and hangs up', async (t) => {
    const flood = (response: Parameters<Answer>[0]): void => {
      while (!response.destroyed && response.write('x'.repeat(16_384)));
    };
    const answer: Answer = (response) => {
      response.writeHead(404);
      response.on('drain', () => flood(response));
      flood(response);
    };
    const { send } = await setUp(t, { answer }, { timeoutMsecs: 10_000 });
    const [result, msecs] = await elapsed(send);
    assert.equal(result.kind === 'response' && result.status, 404);
    assert.ok(msecs < 4_000, `${msecs} ms`);
  });

  it('gives up on a name server that never answers', async (t) => {
    const resolve = () => new Promise<never>(() => undefined);
    const { send } = setUpClient(t, { ...deadline, resolve });
    const [result, msecs] = await elapsed(() => send('https://slow.push.test/x'));
    assert.deepEqual(result, timeout);
    inTime(msecs);
  });

  it('gives up on a handshake that never ends', async (t) => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    teardownOf(t).defer(() => void silent.close());
    const { send } = setUpClient(t, deadline);
    const { port } = silent.address() as AddressInfo;
    const [result, msecs] = await elapsed(() => send(`https://127.0.0.1:${port}/`));
    assert.deepEqual(result, timeout);
    inTime(msecs);
  });

  it('serves others while some hang, and does not keep the hanging connections', async (t) => {
    let hang = true;
    const answer: Answer = (response) => {
      if (!hang) response.writeHead(201).end();
    };
    const { send, server } = await setUp(t, { answer }, { ...deadline, connectionsPerOrigin: 4 });
    const hanging = await Promise.all([send(), send(), send(), send()]);
    assert.deepEqual(new Set(hanging.map(({ kind }) => kind)), new Set(['failed']));
    hang = false;
    assert.deepEqual(await Promise.all([send(), send()]), [
      { kind: 'response', status: 201 },
      { kind: 'response', status: 201 },
    ]);
    assert.ok(server.connections >= 5);
  });
});

describe('createPushClient: failures', () => {
  const failed = (reason: string, detail: string) => ({ kind: 'failed', reason, detail });

  it('tells a reset', async (t) => {
    const { send } = await setUp(t, { answer: (response) => void response.destroy() });
    assert.deepEqual(await send(), { ...failed('reset', 'UND_ERR_SOCKET'), unanswered: true });
  });

  it('tells a refused connection', async (t) => {
    const { server, send } = await setUp(t);
    await server.close();
    assert.deepEqual(await send(), failed('refused', 'ECONNREFUSED'));
  });

  it('tells what is no HTTP', async (t) => {
    const { send } = await setUp(t, {
      answer: (_r, _p, socket) => void socket.end('what?\r\n\r\n'),
    });
    assert.deepEqual(await send(), { kind: 'failed', reason: 'protocol', unanswered: true });
  });

  const { untrusted, otherName } = makeCertificates();
  for (const [what, tls, detail] of [
    ['an unknown authority', untrusted, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['another name', otherName, 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ] as const) {
    it(`tells a certificate of ${what}`, async (t) => {
      const { server, send } = await setUp(t, { tls });
      assert.deepEqual(await send(), failed('tls', detail));
      assert.equal(server.pushes.length, 0);
    });
  }

  it('tells a name that does not exist', async (t) => {
    const resolve = () => Promise.reject(new ResolveError('no', { cause: { code: 'ENOTFOUND' } }));
    const { send } = setUpClient(t, { resolve });
    assert.deepEqual(await send('https://none.push.test/x'), failed('dns', 'ENOTFOUND'));
  });

  it('tells what the guard refused', async (t) => {
    const server = await startPushService();
    teardownOf(t).defer(() => server.close());
    const { send } = setUpClient(t, { policy: parseGuardPolicy([]) });
    for (const host of ['push.test', '127.0.0.1']) {
      const result = await send(`https://${host}:${server.port}/x`);
      assert.equal(result.kind === 'failed' && result.reason, 'guard');
    }
    assert.equal(server.connections, 0);
  });
});

describe('createPushClient: connections', () => {
  it('uses one again, and no more than it may', async (t) => {
    const { server, send } = await setUp(t, {}, { connectionsPerOrigin: 3 });
    await send();
    await send();
    assert.equal(server.connections, 1);
    await Promise.all(Array.from({ length: 20 }, send));
    assert.equal(server.connections, 3);
    assert.equal(server.pushes.length, 22);
  });

  it('keeps those of a bounded number of push services', async (t) => {
    const { server, sendTo } = await setUp(t, {}, { maxOrigins: 2 });
    const to = (name: string) => sendTo(`https://${name}.push.test:${server.port}/x`);
    for (const name of ['a', 'b', 'a', 'b']) await to(name);
    assert.equal(server.connections, 2);
    for (const name of ['c', 'a']) assert.equal((await to(name)).kind, 'response');
    assert.equal(server.connections, 4);
  });

  it('finishes what is under way to a push service that it forgets', async (t) => {
    const answer: Answer = (response) => void setTimeout(() => response.writeHead(201).end(), 100);
    const { server, sendTo } = await setUp(t, { answer }, { maxOrigins: 1 });
    const to = (name: string) => sendTo(`https://${name}.push.test:${server.port}/x`);
    assert.deepEqual(await Promise.all([to('a'), to('b'), to('c')]), [
      { kind: 'response', status: 201 },
      { kind: 'response', status: 201 },
      { kind: 'response', status: 201 },
    ]);
  });

  it('closes at once, and what is under way fails', async (t) => {
    const { client, send } = await setUp(t, { answer: () => undefined }, { timeoutMsecs: 60_000 });
    const [result] = await Promise.all([
      send(),
      new Promise((resolve) => setTimeout(resolve, 100)).then(() => client.close()),
    ]);
    assert.equal(result.kind, 'failed');
  });

  it('hands every exchange to the rawlog', async (t) => {
    const exchanges: Exchange[] = [];
    const { server, send } = await setUp(
      t,
      { answer: answerWith(201, { 'x-id': '7' }, 'thanks') },
      { onExchange: (exchange) => exchanges.push(exchange) },
    );
    await send();
    await server.close();
    await send();
    assert.equal(exchanges.length, 2);
    const [one, other] = exchanges as [Exchange, Exchange];
    assert.equal(one.user, 'alice');
    assert.equal(one.response?.headers['x-id'], '7');
    assert.equal(one.response.body.toString(), 'thanks');
    assert.deepEqual(one.result, { kind: 'response', status: 201 });
    assert.equal(other.result.kind, 'failed');
    assert.equal('response' in other, false);
  });
});
