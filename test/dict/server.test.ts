import assert from 'node:assert/strict';
import { SOCKET_LIMITS } from '../../src/socket/socket-limits.ts';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import type { DictBackend } from '../../src/dict/dict-backend.ts';
import { serveDict, type DictServerOptions } from '../../src/dict/server.ts';
import {
  connect,
  eventually,
  exchange,
  readAll,
  recordingLog,
  temporaryFolder,
} from '../socket/socket-test-support.ts';
import { DictClientModel } from './dict-client-model.ts';
import { ManualBackend, MapBackend, valueOf } from './dict-test-support.ts';

/** Stands still, so that no answer counts as slow and appends its times. */
const frozenClock = { now: () => 0, monotonic: () => 0 };

const HELLO = 'H3\t2\t0\t\tcoi\n';

async function start<Backend extends DictBackend>(
  backend: Backend,
  options: Partial<DictServerOptions> = {},
) {
  const folder = await temporaryFolder('dict');
  const log = recordingLog();
  const path = join(folder.path, 'dict.sock');
  const server = await serveDict({ path, backend, log, clock: frozenClock, ...options });
  return {
    path,
    server,
    backend,
    log,
    async [Symbol.asyncDispose]() {
      await server.close(100);
      await folder[Symbol.asyncDispose]();
    },
  };
}

describe('serveDict', () => {
  test('answers a client that shuts down its writing side before the answer is there', async () => {
    await using dict = await start(new MapBackend());
    assert.equal(
      await exchange(dict.path, `${HELLO}B1\tanna\nS1\tpriv/a\tv\nC1\nLpriv/a\tanna\n`),
      'O1\nOv\n',
    );
  });

  test('sends nothing of its own: the client would take it for a reply', async () => {
    await using dict = await start(new MapBackend());
    assert.equal(await exchange(dict.path, ''), '');
    assert.equal(await exchange(dict.path, HELLO), '');
  });

  test('all answers to one chunk come in one', async () => {
    await using dict = await start(new MapBackend());
    const socket = await connect(dict.path);
    const chunks: string[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
    socket.write(`${HELLO}${'Lpriv/a\tanna\n'.repeat(500)}`);
    await eventually(() => chunks.join('').length >= 1_000);
    assert.deepEqual(chunks, ['N\n'.repeat(500)]);
    socket.destroy();
  });

  test('octet by octet is as good as at once', async () => {
    await using dict = await start(new MapBackend());
    const socket = await connect(dict.path);
    for (const octet of Buffer.from(`${HELLO}B1\tanna\nS1\tpriv/a\tv\x01n\nC1\nLpriv/a\tanna\n`)) {
      socket.write(Buffer.of(octet));
      await new Promise((resolve) => setImmediate(resolve));
    }
    socket.end();
    assert.equal((await readAll(socket)).toString('latin1'), 'O1\nOv\x01n\n');
  });

  test('thousands of connections, one after the other', async () => {
    await using dict = await start(new MapBackend());
    for (let n = 0; n < 3_000; n++) {
      const answer = await exchange(
        dict.path,
        `${HELLO}B1\tanna\nS1\tpriv/n\t${n}\nC1\nLpriv/n\tanna\n`,
      );
      assert.equal(answer, `O1\nO${n}\n`);
    }
    await eventually(() => dict.server.connections === 0);
    assert.deepEqual(dict.log.lines, []);
  });

  test('a thousand connections at once, each with its own transaction 1', async () => {
    await using dict = await start(new MapBackend());
    const sockets = await Promise.all(Array.from({ length: 1_200 }, () => connect(dict.path)));
    for (const [n, socket] of sockets.entries())
      socket.write(`${HELLO}B1\tuser${n}\nS1\tpriv/a\t${n}\n`);
    await eventually(() => dict.server.connections === 1_200);
    for (const socket of sockets.toReversed()) socket.end('C1\n');
    for (const socket of sockets) assert.equal((await readAll(socket)).toString(), 'O1\n');
    for (const n of sockets.keys()) {
      assert.equal((await dict.backend.lookup(`user${n}`, 'priv/a'))?.toString(), String(n));
    }
  });

  test('binary values of every size come back, escaped or not', async () => {
    await using dict = await start(new MapBackend());
    const socket = await connect(dict.path);
    const client = new DictClientModel();
    socket.on('data', (chunk: Buffer) => client.receive(chunk));
    socket.write(HELLO);
    const sizes = [0, 1, 63, 64, 1_000, 20_000, 32_000];
    for (const [index, size] of sizes.entries()) {
      const value = Buffer.alloc(size, valueOf(String(index)));
      dict.backend.values.set(`anna\0priv/${index}`, value);
      client.sent(`L${index}`);
      socket.write(`Lpriv/${index}\tanna\n`);
    }
    await eventually(() => client.unanswered.length === 0);
    for (const [index, size] of sizes.entries()) {
      const expected = Buffer.alloc(size, valueOf(String(index))).toString('latin1');
      assert.equal(client.replies.get(`L${index}`)?.fields[0], expected);
    }
    socket.destroy();
  });

  test('garbage ends its own connection with one log line, and answers what was asked before', async () => {
    await using dict = await start(new MapBackend());
    const good = await connect(dict.path);
    good.write(HELLO);
    const garbage = [
      'GET / HTTP/1.1\r\n\r\n',
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n'.repeat(100),
      '\0'.repeat(70_000),
      'x'.repeat(1_000_000),
      `${HELLO}${HELLO}`,
    ];
    for (const octets of garbage) assert.equal(await exchange(dict.path, octets), '');
    assert.equal(dict.log.lines.length, garbage.length);
    for (const { msg, level } of dict.log.lines) {
      assert.equal(msg, 'dict: connection closed: not what Dovecot would send');
      assert.equal(level, 40);
    }
    good.end('Lpriv/a\tanna\n');
    assert.equal((await readAll(good)).toString(), 'N\n');
  });

  test('half a line, or half a transaction, is dropped with its connection', async () => {
    await using dict = await start(new MapBackend());
    for (const octets of [
      'H3',
      `${HELLO}Lpriv/a`,
      `${HELLO}B1\tanna\nS1\tpriv/a\tv\n`,
      `${HELLO}B1\tanna\nS1\tpriv/a\tv\nC1`,
    ]) {
      assert.equal(await exchange(dict.path, octets), '');
    }
    assert.deepEqual(dict.backend.commits, []);
    assert.equal(
      await exchange(dict.path, `${HELLO}C1\n`).then((answer) => answer.split('\t')[0]),
      'F1',
    );
  });

  test('clients that vanish before their answer harm nobody', async () => {
    await using dict = await start(new ManualBackend());
    const sockets = await Promise.all(Array.from({ length: 50 }, () => connect(dict.path)));
    for (const socket of sockets) socket.write(`${HELLO}Lpriv/a\tanna\nLpriv/b\tanna\n`);
    await eventually(() => dict.backend.calls.length === 100);
    for (const socket of sockets) socket.destroy();
    for (const call of dict.backend.calls.splice(0)) call.resolve(Buffer.alloc(100_000));
    await eventually(() => dict.server.connections === 0);
    const answer = exchange(dict.path, `${HELLO}Lpriv/a\tanna\n`);
    await eventually(() => dict.backend.calls.length === 1);
    dict.backend.calls[0]!.resolve(Buffer.from('v'));
    assert.equal(await answer, 'Ov\n');
    assert.deepEqual(dict.log.lines, []);
  });

  test('a client that asks without end and never reads is held back', async () => {
    await using dict = await start(new MapBackend());
    const key = `priv/${'k'.repeat(900)}`;
    dict.backend.values.set(`anna\0${key}`, Buffer.alloc(5_000, 'v'));
    let asked = 0;
    const lookup = dict.backend.lookup.bind(dict.backend);
    dict.backend.lookup = (user, key) => (asked++, lookup(user, key));
    const socket = await connect(dict.path);
    const lines = 4_000;
    socket.end(HELLO + `L${key}\tanna\n`.repeat(lines));
    await eventually(() => asked > 0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    // A chunk of 64 KiB, one more that came while its answers were written, and socket buffers.
    assert.ok(asked < 1_000, `${asked} lookups for a client that reads nothing`);
    assert.equal((await readAll(socket)).length, lines * 5_002);
  });

  test('a thousand unanswered commands are enough: more are read once some are answered', async () => {
    await using dict = await start(new ManualBackend());
    const socket = await connect(dict.path);
    const line = (id: number): string =>
      `B${id}\tanna\nS${id}\tpriv/a\t${'v'.repeat(900)}\nC${id}\n`;
    const ids = Array.from({ length: 3_000 }, (_, n) => n + 1);
    socket.write(HELLO + ids.map(line).join(''));
    const { calls } = dict.backend;
    await eventually(() => calls.length >= 1_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    // One chunk of 64 KiB more is read before the reading stops.
    assert.ok(calls.length < 1_000 + 2 * (65_536 / line(1).length), `${calls.length} commands`);
    for (let answered = 0; answered < 3_000; answered++) {
      await eventually(() => calls.length > answered);
      calls[answered]!.resolve('committed');
    }
    socket.end();
    assert.equal((await readAll(socket)).toString(), ids.map((id) => `O${id}\n`).join(''));
  });

  test('commits under way are bounded by what they hold, on a connection and in all', async () => {
    await using dict = await start(new ManualBackend());
    const { calls } = dict.backend;
    const commits = (): string => {
      const value = `S1\tpriv/a\t${'v'.repeat(60_000)}\n`.repeat(130);
      return `B1\tanna\n${value}C1\n`.repeat(8);
    };
    const sockets = await Promise.all(Array.from({ length: 12 }, () => connect(dict.path)));
    for (const socket of sockets) socket.write(HELLO + commits());
    const transaction = 130 * 60_000;
    // Half of the room is for what is being committed.
    await eventually(() => calls.length * transaction > SOCKET_LIMITS.dictAllOctets / 2);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const most = SOCKET_LIMITS.dictAllOctets / transaction;
    assert.ok(calls.length <= most, `${calls.length} transactions`);
    // Somebody who commits little is served at once.
    const honest = await connect(dict.path);
    honest.write(`${HELLO}B1\tbert\nS1\tpriv/a\tv\nC1\n`);
    await eventually(() => calls.some(({ user }) => user === 'bert'));
    for (let answered = 0; answered < 12 * 8 + 1; answered++) {
      await eventually(() => calls.length > answered);
      calls[answered]!.resolve('committed');
    }
    for (const socket of [...sockets, honest]) socket.destroy();
  });

  test('a backend that does not answer in time is answered for', async () => {
    await using dict = await start(new ManualBackend(), { replyMsecs: 50, clock: systemClock });
    const answer = await exchange(dict.path, `${HELLO}Lpriv/a\tanna\n`);
    assert.match(answer, /^Fno answer within 0\.05 s\t/);
  });

  test('close: idle connections end, a begun transaction may still commit', async () => {
    await using dict = await start(new ManualBackend());
    const idle = await connect(dict.path);
    const busy = await connect(dict.path);
    idle.write(HELLO);
    busy.write(`${HELLO}B1\tanna\nS1\tpriv/a\tv\n`);
    await eventually(() => dict.server.connections === 2);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const closed = dict.server.close(2_000);
    assert.equal((await readAll(idle)).length, 0);
    busy.write('C1\n');
    await eventually(() => dict.backend.calls.length === 1);
    dict.backend.calls[0]!.resolve('committed');
    assert.equal((await readAll(busy)).toString(), 'O1\n');
    await closed;
  });

  test('of the peers that ask and do not read, those that do so longest are cut off', async () => {
    await using dict = await start(new MapBackend());
    dict.backend.values.set('anna\0priv/a', Buffer.alloc(60_000, 'v'));
    const most = SOCKET_LIMITS.dictStalledConnections;
    const asking = await Promise.all(Array.from({ length: most + 5 }, () => connect(dict.path)));
    let closed = 0;
    for (const socket of asking) {
      socket.pause();
      socket.on('error', () => undefined);
      socket.on('close', () => (closed += 1));
      socket.write(HELLO + 'Lpriv/a\tanna\n'.repeat(40));
    }
    await eventually(() => dict.server.connections <= most);
    assert.equal(await exchange(dict.path, `${HELLO}Lpriv/none\tanna\n`), 'N\n');
    for (const socket of asking) socket.destroy();
  });

  test('a flood on many connections does not stand before the request of another', async () => {
    await using dict = await start(new MapBackend());
    const flood = HELLO + 'Lpriv/a\tanna\n'.repeat(1_500);
    let asked = 0;
    const turns: number[] = [];
    const lookup = dict.backend.lookup.bind(dict.backend);
    dict.backend.lookup = (user, key) => {
      asked += 1;
      if (user === 'bert') turns.push(asked);
      return lookup(user, key);
    };
    const sockets = await Promise.all(Array.from({ length: 40 }, () => connect(dict.path)));
    const waiting = await connect(dict.path);
    waiting.write(HELLO);
    await eventually(() => dict.server.connections === 41);
    for (const socket of sockets) socket.resume().write(flood);
    await eventually(() => asked > 0);
    for (let n = 0; n < 5; n++) {
      const before = asked;
      waiting.write('Lpriv/a\tbert\n');
      await eventually(() => turns.length > n);
      // Some rounds of the event loop, each of which looks at 64 requests, or at 512 of one.
      assert.ok(turns[n]! - before <= 2_000, `${turns[n]! - before} others came first`);
    }
    assert.ok(asked < 40 * 1_500, 'the flood is still going on');
    while (asked < 40 * 1_500 + 5) await new Promise((resolve) => setTimeout(resolve, 20));
    for (const socket of [...sockets, waiting]) socket.destroy();
  });

  test('who finds no room when it is their turn goes on when there is some', async () => {
    await using dict = await start(new ManualBackend());
    const { calls } = dict.backend;
    const value = 'v'.repeat(60_000);
    const sockets = await Promise.all(Array.from({ length: 8 }, () => connect(dict.path)));
    const [flood, waiting, ...large] = sockets;
    waiting!.write(`${HELLO}B1\tbert\nS1\tpriv/a\t${value}\n`);
    for (const socket of large) {
      const open = `\tanna\n${`S1\tpriv/a\t${value}\n`.repeat(130)}`;
      socket.write(`${HELLO}B1${open}B2${open.replaceAll('S1', 'S2')}`);
    }
    // All of it has been looked at.
    for (const socket of [waiting!, ...large]) socket.write('Lpriv/a\tcarl\n');
    await eventually(() => calls.length === large.length + 1);
    for (const call of calls.splice(0)) call.resolve(undefined);
    // Those in the middle of their turns, and those that leave no room, come at once.
    const turns = 'T1\t0\t0\n';
    flood!.write(HELLO + turns.repeat(5_000));
    waiting!.write(`${turns.repeat(6)}C1\n`);
    for (const socket of large) socket.write('C1\nC2\n');
    await eventually(() => calls.length * 130 * 60_000 > SOCKET_LIMITS.dictAllOctets / 2);
    for (let answered = 0; answered < 2 * large.length + 1; answered++) {
      await eventually(() => calls.length > answered);
      calls[answered]!.resolve('committed');
    }
    for (const socket of sockets) socket.destroy();
  });

  test('unanswered commands are bounded in all, and a connection with few goes on', async () => {
    await using dict = await start(new ManualBackend());
    const { calls } = dict.backend;
    const commit = 'B1\tanna\nU1\tpriv/a\nC1\n';
    const sockets = await Promise.all(Array.from({ length: 40 }, () => connect(dict.path)));
    for (const socket of sockets) socket.write(HELLO + commit.repeat(900));
    await eventually(() => calls.length >= SOCKET_LIMITS.dictAllCommands);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.ok(calls.length <= SOCKET_LIMITS.dictAllCommands + 512, `${calls.length} commands`);
    const honest = await connect(dict.path);
    honest.write(`${HELLO}B1\tbert\nS1\tpriv/a\tv\nC1\n`);
    await eventually(() => calls.some(({ user }) => user === 'bert'));
    for (let answered = 0; answered < 40 * 900 + 1; answered++) {
      if (calls.length === answered) await eventually(() => calls.length > answered);
      calls[answered]!.resolve('committed');
    }
    for (const socket of [...sockets, honest]) socket.destroy();
  });

  test('requests that wait are bounded in all: who sends many past it is cut off', async () => {
    await using dict = await start(new ManualBackend(), { waitingOctets: 1_000_000 });
    const commits = 'B1\tanna\nU1\tpriv/a\nC1\n'.repeat(10_000);
    const sockets = await Promise.all(Array.from({ length: 60 }, () => connect(dict.path)));
    let closed = 0;
    for (const socket of sockets) {
      socket.on('error', () => undefined).on('close', () => (closed += 1));
      socket.write(HELLO + commits);
    }
    await eventually(() => closed >= 40);
    assert.ok(closed < 60, 'what waits is not lost');
    const honest = await connect(dict.path);
    honest.write(`${HELLO}B1\tbert\nU1\tpriv/a\nC1\n`);
    await eventually(() => dict.backend.calls.some(({ user }) => user === 'bert'));
    for (const socket of [...sockets, honest]) socket.destroy();
  });
});
