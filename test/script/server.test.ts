import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { UnavailableError } from '../../src/errors.ts';
import type { ScriptHandler, ScriptRequest } from '../../src/script/script-handler.ts';
import { serveScript, type ScriptServerOptions } from '../../src/script/server.ts';
import { BodyBudget } from '../../src/socket/body-budget.ts';
import {
  connect,
  eventually,
  exchange,
  readAll,
  recordingLog,
  temporaryFolder,
} from '../socket/socket-test-support.ts';

const HEAD = 'VERSION\tscript\t4\t0\nenv_USER=anna\n-\nclassify\n\n';

/** Answers with what it was told. */
const echo = (request: ScriptRequest) =>
  Promise.resolve(
    Buffer.from(
      `${request.env.get('USER')} ${request.args.join()} ${request.message.toString('latin1')}`,
      'latin1',
    ),
  );

async function start(handle: ScriptHandler['handle'], options: Partial<ScriptServerOptions> = {}) {
  const folder = await temporaryFolder('script');
  const log = recordingLog();
  const observed: string[] = [];
  const path = join(folder.path, 'classify');
  const server = await serveScript({
    path,
    name: 'sieve',
    handler: { handle },
    log,
    clock: systemClock,
    observe: (result) => observed.push(result),
    ...options,
  });
  return {
    path,
    server,
    log,
    observed,
    async [Symbol.asyncDispose]() {
      await server.close(100);
      await folder[Symbol.asyncDispose]();
    },
  };
}

describe('serveScript', () => {
  test('the output, then + and a line feed, once the client has shut down its writing side', async () => {
    await using script = await start(echo);
    assert.equal(
      await exchange(script.path, `${HEAD}Subject: x\r\n`),
      'anna classify Subject: x\r\n+\n',
    );
    assert.deepEqual(script.observed, ['ok']);
    assert.deepEqual(script.log.lines, []);
  });

  test('waits for the end of the message', async () => {
    await using script = await start(echo);
    const socket = await connect(script.path);
    for (const octet of Buffer.from(`${HEAD}body`)) {
      socket.write(Buffer.of(octet));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(script.observed, []);
    socket.end();
    assert.equal((await readAll(socket)).toString(), 'anna classify body+\n');
  });

  test('output of any octets, none and many', async () => {
    const outputs = [
      Buffer.alloc(0),
      Buffer.from('-\n'),
      Buffer.alloc(300_000, '\0\xff+\n', 'latin1'),
    ];
    for (const output of outputs) {
      await using script = await start(() => Promise.resolve(output));
      assert.equal(await exchange(script.path, HEAD), `${output.toString('latin1')}+\n`);
    }
  });

  test('- and a line feed when the handler fails, with a log line; the next one is answered', async () => {
    let count = 0;
    await using script = await start((request) => {
      count++;
      if (count === 1) return Promise.reject(new UnavailableError('no store'));
      if (count === 2) throw new TypeError('a bug');
      return echo(request);
    });
    assert.equal(await exchange(script.path, HEAD), '-\n');
    assert.equal(await exchange(script.path, HEAD), '-\n');
    assert.equal(await exchange(script.path, HEAD), 'anna classify +\n');
    assert.deepEqual(
      script.log.lines.map(({ msg, level }) => [msg, level]),
      [
        ['sieve: request failed', 50],
        ['sieve: request failed', 50],
      ],
    );
    assert.deepEqual(script.observed, ['failed', 'failed', 'ok']);
  });

  test('after noreply: the output without a status', async () => {
    await using script = await start(echo);
    assert.equal(await exchange(script.path, HEAD.replace('-\n', 'noreply\n')), 'anna classify ');
  });

  test('a message beyond the limit is read to its end, and its beginning kept', async () => {
    const seen: number[] = [];
    await using script = await start(
      ({ message }) => {
        seen.push(message.length);
        return Promise.resolve(Buffer.from('ok'));
      },
      { maxMessageOctets: 100_000 },
    );
    assert.equal(await exchange(script.path, HEAD + 'm'.repeat(100_000)), 'ok+\n');
    assert.equal(await exchange(script.path, HEAD + 'm'.repeat(5_000_000)), 'ok+\n');
    assert.deepEqual(seen, [100_000, 100_000]);
  });

  test('past the deadline: - and a line feed', async () => {
    await using script = await start(() => new Promise(() => undefined), { requestMsecs: 50 });
    assert.equal(await exchange(script.path, HEAD), '-\n');
    assert.deepEqual(script.observed, ['failed']);
  });

  test('the deadline holds for a client that never ends its message too', async () => {
    await using script = await start(echo, { requestMsecs: 50 });
    const socket = await connect(script.path);
    socket.write(`${HEAD}half`);
    assert.equal((await readAll(socket)).toString(), '-\n');
    assert.deepEqual(
      script.log.lines.map(({ msg }) => msg),
      ['sieve: request failed'],
    );
  });

  test('what is no request ends without a status, so that Dovecot complains too', async () => {
    await using script = await start(echo);
    for (const garbage of [
      'GET / HTTP/1.1\r\n\r\n',
      'H3\t2\t0\t\tcoi\n',
      HEAD.slice(0, -1),
      '\0'.repeat(1_000_000),
    ]) {
      assert.equal(await exchange(script.path, garbage), '');
    }
    assert.equal(script.log.lines.length, 4);
    for (const { msg } of script.log.lines) {
      assert.equal(msg, 'sieve: connection closed: not what Dovecot would send');
    }
    assert.equal(await exchange(script.path, HEAD), 'anna classify +\n');
  });

  test('a peer that only connects is no cause for complaint', async () => {
    await using script = await start(echo);
    assert.equal(await exchange(script.path, ''), '');
    assert.deepEqual(script.log.lines, []);
  });

  test('clients that vanish harm nobody', async () => {
    const pending: (() => void)[] = [];
    await using script = await start(
      () => new Promise((resolve) => pending.push(() => resolve(Buffer.alloc(500_000)))),
    );
    const sockets = await Promise.all(Array.from({ length: 50 }, () => connect(script.path)));
    for (const socket of sockets) socket.end(`${HEAD}message`);
    await eventually(() => pending.length === 50);
    for (const socket of sockets) socket.destroy();
    for (const resolve of pending) resolve();
    await eventually(() => script.server.connections === 0);
    assert.deepEqual(script.log.lines, []);
  });

  test('a thousand requests at once, and a thousand one after the other', async () => {
    await using script = await start(echo);
    const message = 'm'.repeat(10_000);
    const answers = await Promise.all(
      Array.from({ length: 1_000 }, (_, n) => exchange(script.path, `${HEAD}${n} ${message}`)),
    );
    for (const [n, answer] of answers.entries())
      assert.equal(answer, `anna classify ${n} ${message}+\n`);
    for (let n = 0; n < 1_000; n++) {
      assert.equal(await exchange(script.path, `${HEAD}${n}`), `anna classify ${n}+\n`);
    }
  });

  test('close lets requests under way finish', async () => {
    const { promise, resolve } = Promise.withResolvers<Buffer>();
    await using script = await start(() => promise);
    const idle = await connect(script.path);
    const busy = await connect(script.path);
    busy.end(HEAD);
    await eventually(() => script.server.connections === 2);
    await new Promise((done) => setTimeout(done, 20));
    const closed = script.server.close(2_000);
    assert.equal((await readAll(idle)).length, 0);
    resolve(Buffer.from('done'));
    assert.equal((await readAll(busy)).toString(), 'done+\n');
    await closed;
  });

  test('messages that never end take no more than their budget, and an honest one is answered', async () => {
    const bodies = new BodyBudget(1_000_000);
    await using script = await start(echo, { bodies, requestMsecs: 60_000 });
    const hostile = await Promise.all(Array.from({ length: 20 }, () => connect(script.path)));
    for (const socket of hostile) socket.write(HEAD + 'x'.repeat(200_000));
    await eventually(() => script.log.lines.length >= 15);
    assert.ok(bodies.octets <= 1_000_000);
    assert.equal(await exchange(script.path, `${HEAD}body`), 'anna classify body+\n');
    // Dovecot gets its answer while it is still writing, and delivers to INBOX.
    assert.equal((await readAll(hostile[0]!)).toString(), '-\n');
    for (const socket of hostile) socket.destroy();
    await eventually(() => bodies.octets === 0);
  });

  test('connections that ask nothing make room for those that do', async () => {
    await using script = await start(echo, { maxConnections: 10, requestMsecs: 60_000 });
    const idle = await Promise.all(Array.from({ length: 40 }, () => connect(script.path)));
    assert.equal(await exchange(script.path, `${HEAD}body`), 'anna classify body+\n');
    assert.ok(script.server.connections <= 10);
    for (const socket of idle) socket.destroy();
  });
});
