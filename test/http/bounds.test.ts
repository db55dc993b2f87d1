import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { createServer } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { Readable } from 'node:stream';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { pino } from 'pino';
import { createProbes } from '../../src/events/probes.ts';
import { createHttpServer } from '../../src/http/create-http-server.ts';
import { limitConnections } from '../../src/http/limit-connections.ts';
import { createSnapshot } from '../../src/http/snapshot.ts';
import { createLogger, LineLimits, type Logger } from '../../src/logging.ts';
import { createMetrics } from '../../src/metrics.ts';
import { BodyBudget } from '../../src/socket/body-budget.ts';
import { recordLog } from '../support/record-log.ts';
import { teardownOf } from '../support/create-teardown.ts';

const TOKEN = 'a-token-of-more-than-16-characters';
const MIB = 1_048_576;

interface StartOptions {
  bodies?: BodyBudget;
  log?: Logger;
  bodyMsecs?: number;
  adminRoutes?: FastifyPluginAsyncTypebox;
}

async function start(
  t: TestContext,
  {
    bodies = new BodyBudget(4 * MIB),
    log = pino({ level: 'silent' }),
    bodyMsecs,
    adminRoutes,
  }: StartOptions = {},
) {
  const seen = { checks: 0, metrics: 0, messages: 0, now: 0 };
  const metrics = createMetrics();
  metrics.onCollect(() => {
    seen.metrics += 1;
  });
  const app = createHttpServer({
    ...{ log, token: TOKEN, bodies, registry: metrics.registry },
    ...(adminRoutes ? { adminToken: TOKEN, adminRoutes } : { adminToken: '' }),
    probes: createProbes(),
    intake: { take: () => Promise.resolve('done') },
    classify: (_user, message) => {
      seen.messages += message.length;
      return Promise.resolve({ action: 'keep' });
    },
    onMetadataCommand: () => undefined,
    checks: [
      {
        name: 'slow',
        check: async () => {
          seen.checks += 1;
          await sleep(20);
        },
      },
    ],
    monotonic: () => seen.now,
  });
  if (bodyMsecs !== undefined) {
    app.addHook('onRequest', (request, _reply, done) => {
      request.routeOptions.config.bodyMsecs = bodyMsecs;
      done();
    });
  }
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  teardownOf(t).defer(() => app.close());
  const { port } = app.server.address() as AddressInfo;
  return { app, url, port, seen, bodies };
}

async function open(t: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  teardownOf(t).defer(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

const head = (path: string, length: number): string =>
  `POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\n` +
  `content-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;

describe('what anybody may ask for', () => {
  for (const [path, counted] of [
    ['/readyz', 'checks'],
    ['/metrics', 'metrics'],
  ] as const) {
    it(`${path} is found out once a second, however many ask`, async (t) => {
      const { url, seen } = await start(t);
      const ask = (): Promise<number[]> =>
        Promise.all(
          Array.from({ length: 30 }, async () => {
            const answers = [await fetch(url + path), await fetch(url + path)];
            await Promise.all(answers.map((answer) => answer.arrayBuffer()));
            return answers.filter(({ status }) => status === 200).length;
          }),
        );
      assert.deepEqual(new Set(await ask()), new Set([2]));
      assert.equal(seen[counted], 1);
      seen.now = 1_001;
      await ask();
      assert.equal(seen[counted], 2);
    });
  }

  it('a request without a token, 2,000 times, is a few lines of the log', async (t) => {
    const lines: string[] = [];
    const time = { monotonic: () => 0, later: () => undefined };
    const log = createLogger(
      'info',
      { write: (line) => void lines.push(line) },
      new LineLimits(time),
    );
    const { app, url } = await start(t, { log });
    for (let n = 0; n < 1_990; n++) await app.inject({ method: 'POST', url: '/v1/events' });
    for (let n = 0; n < 10; n++) assert.equal((await fetch(`${url}/v1/events`)).status, 404);
    const refused = lines.filter((line) => line.includes('token refused'));
    assert(refused.length > 0 && refused.length <= 50, `${refused.length} lines`);
    assert(lines.length <= 60);
  });
});

describe('several requests at a time on one connection', () => {
  const request = (headers: string, path = '/v1/events'): string =>
    `POST ${path} HTTP/1.1\r\n${headers}content-type: application/json\r\ncontent-length: 2\r\n\r\n{}`;
  const host = 'host: x\r\n';
  const wrong = 'authorization: Bearer a-wrong-token-of-some-length\r\n';
  const right = `authorization: Bearer ${TOKEN}\r\n`;
  const statuses = (answer: string): string[] =>
    [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status = '']) => status);
  const readToEnd = (socket: Socket): Promise<string> => {
    let read = '';
    socket.on('data', (chunk: Buffer) => (read += chunk.toString()));
    return once(socket, 'close').then(() => read);
  };

  for (const [what, one, status] of [
    ['without a token', request(host), '401'],
    ['with a wrong token', request(host + wrong), '401'],
    ['that need no token', 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n', '200'],
    ['for nothing', request(host, '/v1/nothing'), '404'],
    ['without a host', request(right), '400'],
    ['that expect something', request(`${host}expect: x\r\n`), '417'],
  ] as const) {
    it(`${what}: the first is the last one`, async (t) => {
      const { port } = await start(t);
      const socket = await open(t, port);
      socket.write(one + one);
      const answer = await readToEnd(socket);
      assert.deepEqual(statuses(answer), [status]);
      // What is answered before the second is seen cannot say so.
      assert.match(answer, status === '200' ? /^connection: /im : /^connection: close\r$/im);
    });

    it(`${what}, without an end: few are looked at, and little is kept`, async (t) => {
      const { app, port } = await start(t);
      let seen = 0;
      for (const event of ['request', 'checkExpectation']) {
        app.server.on(event, () => (seen += 1));
      }
      const much = Buffer.from(one.repeat(10_000));
      const sockets = await Promise.all(Array.from({ length: 20 }, () => open(t, port)));
      const ends = sockets.map((socket) => once(socket, 'close'));
      for (const socket of sockets) socket.resume().write(much);
      await Promise.all(ends);
      assert(seen <= 40, `${seen} of 200,000`);
    });
  }

  it('are all answered, in order, to who shows the token', async (t) => {
    const { port } = await start(t);
    const socket = await open(t, port);
    const last = `${right}connection: close\r\n`;
    socket.write(request(host + right).repeat(300));
    socket.write(request(host + right, '/v1/nothing') + request(host + last));
    const answers = statuses(await readToEnd(socket));
    assert.equal(answers.length, 302);
    assert.deepEqual(answers.slice(-3), ['400', '404', '400']); // {} is no event
  });

  it('end where one of them shows no token any more', async (t) => {
    const { port } = await start(t);
    const socket = await open(t, port);
    socket.write(request(host + right) + request(host + wrong).repeat(3));
    assert.deepEqual(statuses(await readToEnd(socket)), ['400', '401']);
  });

  it('one after the other stay on their connection, until one is refused', async (t) => {
    const { port } = await start(t);
    const socket = await open(t, port);
    const answers = readToEnd(socket);
    for (const headers of [right, right, wrong]) {
      socket.write(request(host + headers));
      if (headers === right) await once(socket, 'data');
    }
    assert.deepEqual(statuses(await answers), ['400', '400', '401']);
  });
});

describe('createSnapshot', () => {
  it('is made anew after a failure, and never twice at a time', async () => {
    let now = 0;
    let made = 0;
    let fails = true;
    const snapshot = createSnapshot(
      async () => {
        made += 1;
        await sleep(5);
        if (fails) throw new Error('no');
        return made;
      },
      1_000,
      () => now,
    );
    const first = snapshot();
    now = 5_000;
    await assert.rejects(Promise.all([first, snapshot()]), /no/);
    assert.equal(made, 1);
    fails = false;
    assert.equal(await snapshot(), 2);
  });
});

describe('bodies that never end', () => {
  for (const path of ['/v1/classify?user=anna', '/v1/events', '/v1/imap-commands']) {
    it(`of ${path} take no more than their budget, and an honest one is served`, async (t) => {
      const { port, url, seen, bodies } = await start(t);
      const sockets = await Promise.all(Array.from({ length: 30 }, () => open(t, port)));
      const answers = sockets.map((socket) => text(socket).catch(() => ''));
      for (const socket of sockets) {
        socket.write(head(path, 250_000));
        socket.write(Buffer.alloc(240_000, ' '));
      }
      await sleep(500);
      assert(bodies.octets <= 4 * MIB, `${bodies.octets} octets`);
      const reply = await fetch(`${url}/v1/classify?user=anna`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}` },
        body: Buffer.alloc(2 * MIB),
      });
      assert.equal(reply.status, 200);
      assert.equal(seen.messages, 2 * MIB);
      for (const socket of sockets) socket.end();
      const refused = (await Promise.all(answers)).filter((answer) => answer.includes(' 503 '));
      assert(refused.length >= 10, `${refused.length} refused`);
      assert(refused.every((answer) => /too many bodies.*try again/.test(answer)));
      await sleep(50);
      assert.equal(bodies.octets, 0);
    });
  }

  it('one octet at a time count for what they take', () => {
    const budget = new BodyBudget(100_000);
    let gone = 0;
    const share = budget.open(() => (gone += 1));
    for (let n = 0; n < 1_000; n++) share.add(1);
    assert.equal(gone, 1);
    assert.equal(budget.octets, 0);
  });

  it('that drip are ended by their deadline', async (t) => {
    // In place of the deadlines of the routes, which are seconds.
    const { port } = await start(t, { bodyMsecs: 200 });
    const socket = await open(t, port);
    socket.write(head('/v1/imap-commands', 1_000));
    const drip = setInterval(() => socket.write('x'), 20);
    const answer = await text(socket).finally(() => clearInterval(drip));
    assert.match(answer, /^HTTP\/1\.1 503 [^]*connection: close[^]*not here after/i);
  });
});

describe('who goes away', () => {
  it('before an answer of pages begins is no error of ours', async (t) => {
    const recorded = recordLog();
    let [begun, ended] = [0, 0];
    /** As the pages of an export whose first one is still being read. */
    const waiting = (): Readable => {
      begun += 1;
      return new Readable({ read: () => undefined }).on('close', () => (ended += 1));
    };
    const { port } = await start(t, {
      log: recorded.log,
      // eslint-disable-next-line @typescript-eslint/require-await -- fastify plugins are asynchronous
      adminRoutes: async (app) => {
        app.post('/v1/pages', (_request, reply) => reply.send(waiting()));
      },
    });
    for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
      const socket = await open(t, port);
      // With a body that was read: else fastify sees that the request was aborted.
      const before = begun;
      socket.write(`${head('/v1/pages', 2)}{}`);
      while (begun === before) await sleep(5);
      socket[leave]();
    }
    while (ended < 3) await sleep(5);
    await sleep(20);
    assert.deepEqual(recorded.said('error'), []);
  });

  it('amid a body is no error of ours', async (t) => {
    const recorded = recordLog();
    const { port, bodies } = await start(t, { log: recorded.log });
    for (const path of ['/v1/events', '/v1/classify?user=anna', '/v1/nothing']) {
      for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
        const socket = await open(t, port);
        socket.write(`${head(path, 1_000)}{"user":`);
        await sleep(20);
        socket[leave]();
        while (bodies.octets > 0) await sleep(5);
      }
    }
    await sleep(20);
    assert.deepEqual(recorded.said('error'), []);
  });
});

describe('limitConnections', () => {
  it('ends the longest idle one for each that is too many, and none that is busy', async (t) => {
    let dropped = 0;
    const held: (() => void)[] = [];
    const server = createServer((request, response) => {
      if (request.url === '/hold') held.push(() => response.end('held'));
      else response.end('ok');
    });
    limitConnections(server, 20, () => (dropped += 1));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    teardownOf(t).defer(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const busy = await open(t, port);
    const answer = text(busy);
    busy.write('GET /hold HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    while (held.length === 0) await sleep(5);
    for (let n = 0; n < 100; n++) await open(t, port);
    for (let n = 0; n < 20; n++) {
      const reply = await fetch(`http://127.0.0.1:${port}/`);
      assert.equal(await reply.text(), 'ok');
    }
    await sleep(50);
    assert(dropped >= 81, `${dropped} dropped`);
    const open_ = await new Promise<number>((resolve) =>
      server.getConnections((_error, count) => resolve(count)),
    );
    assert(open_ <= 20, `${open_} open`);
    held[0]!();
    assert.match(await answer, /held/);
  });
});
