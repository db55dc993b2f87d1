import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { serveUnixSocket, type Connection } from '../../src/socket/serve-unix-socket.ts';
import {
  connect,
  eventually,
  exchange,
  readAll,
  recordingLog,
  temporaryFolder,
} from './socket-test-support.ts';

/** Answers with what it got, in capitals, after the peer has shut down its writing side. */
function shout(socket: Socket): Connection {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  socket.once('end', () => socket.end(text.toUpperCase()));
  socket.on('error', () => undefined);
  return {
    idle: false,
    drain() {
      if (text === '') socket.destroy();
    },
  };
}

/** A group that is not the process's own, if it may give a file to one. */
function anotherGroup(): number {
  const own = process.getgid!();
  if (process.getuid!() === 0) return own + 1;
  return process.getgroups!().find((group) => group !== own) ?? own;
}

describe('serveUnixSocket', () => {
  test('answers, and removes its socket when it closes', async () => {
    await using folder = await temporaryFolder('serve');
    const path = join(folder.path, 'a.sock');
    const server = await serveUnixSocket({ path, name: 'test', log: recordingLog() }, shout);
    assert.equal(await exchange(path, 'hello'), 'HELLO');
    await server.close();
    assert.equal(existsSync(path), false, 'the socket is gone');
  });

  test('has room for hundreds of connections that it could not take yet', async () => {
    await using folder = await temporaryFolder('serve');
    const path = join(folder.path, 'a.sock');
    const server = await serveUnixSocket({ path, name: 'test', log: recordingLog() }, shout);
    // All of them connect in this tick, in which nothing is accepted; a full backlog is EAGAIN.
    const sockets = await Promise.all(Array.from({ length: 600 }, () => connect(path)));
    for (const socket of sockets) socket.destroy();
    await server.close();
  });

  test('applies the mode, 0660 unless told otherwise, and leaves the umask as it was', async () => {
    await using folder = await temporaryFolder('serve');
    const umask = process.umask(0o002);
    try {
      for (const [mode, expected] of [
        [undefined, 0o660],
        [0o600, 0o600],
        [0o666, 0o666],
      ] as const) {
        const path = join(folder.path, `m${expected}.sock`);
        const server = await serveUnixSocket(
          { path, name: 'test', log: recordingLog(), ...(mode === undefined ? {} : { mode }) },
          shout,
        );
        assert.equal((await stat(path)).mode & 0o777, expected);
        await server.close();
      }
      assert.equal(process.umask(0o002), 0o002);
    } finally {
      process.umask(umask);
    }
  });

  test('applies the group, and says when it cannot', async () => {
    await using folder = await temporaryFolder('serve');
    const path = join(folder.path, 'a.sock');
    const group = String(anotherGroup());
    const server = await serveUnixSocket({ path, group, name: 'test', log: recordingLog() }, shout);
    assert.equal((await stat(path)).gid, Number(group));
    await server.close();
    await assert.rejects(
      serveUnixSocket({ path, group: 'no-such-group', name: 'test', log: recordingLog() }, shout),
      /no group "no-such-group"/,
    );
    assert.equal(existsSync(path), false);
  });

  test('refuses a path where somebody listens already', async () => {
    await using folder = await temporaryFolder('serve');
    const path = join(folder.path, 'a.sock');
    const server = await serveUnixSocket({ path, name: 'test', log: recordingLog() }, shout);
    await assert.rejects(
      serveUnixSocket({ path, name: 'test', log: recordingLog() }, shout),
      /another process listens there already/,
    );
    assert.equal(await exchange(path, 'still here'), 'STILL HERE');
    await server.close();
  });

  test('an exception on one connection ends only that one, with one log line', async () => {
    await using folder = await temporaryFolder('serve');
    const path = join(folder.path, 'a.sock');
    const log = recordingLog();
    let count = 0;
    const server = await serveUnixSocket({ path, name: 'test', log }, (socket) => {
      if (++count === 2) throw new Error('boom');
      return shout(socket);
    });
    const first = await connect(path);
    assert.equal(await exchange(path, 'x'), '');
    assert.equal(await exchange(path, 'third'), 'THIRD');
    first.end('first');
    assert.equal((await readAll(first)).toString(), 'FIRST');
    assert.deepEqual(
      log.lines.map(({ msg }) => msg),
      ['test: cannot take a connection'],
    );
    await server.close();
  });

  test('takes exactly as many connections as the limit allows, and says so once', async () => {
    await using folder = await temporaryFolder('serve');
    const path = join(folder.path, 'a.sock');
    const log = recordingLog();
    const server = await serveUnixSocket({ path, name: 'test', maxConnections: 3, log }, shout);
    const sockets = [];
    for (let i = 0; i < 3; i++) sockets.push(await connect(path));
    await eventually(() => server.connections === 3);
    assert.equal(await exchange(path, 'a'), '');
    assert.equal(await exchange(path, 'b'), '');
    sockets[0]!.end('one');
    assert.equal((await readAll(sockets[0]!)).toString(), 'ONE');
    await eventually(() => server.connections === 2);
    assert.equal(await exchange(path, 'now'), 'NOW');
    await server.close();
    assert.deepEqual(
      log.lines.map(({ msg, dropped }) => [msg, dropped]),
      [['test: too many connections, some were dropped', 2]],
    );
  });

  test('close: takes nothing new, lets what is under way finish, cuts what does not', async () => {
    await using folder = await temporaryFolder('serve');
    const path = join(folder.path, 'a.sock');
    const server = await serveUnixSocket({ path, name: 'test', log: recordingLog() }, shout);
    const [idle, busy, stuck] = await Promise.all([connect(path), connect(path), connect(path)]);
    busy.write('under way');
    stuck.write('for ever');
    await eventually(() => server.connections === 3);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const started = performance.now();
    const closed = server.close(300);
    assert.equal(server.close(), closed, 'closing twice is closing once');
    await assert.rejects(connect(path), { code: 'ENOENT' });
    assert.equal((await readAll(idle)).toString(), '');
    idle.destroy();
    busy.end();
    assert.equal((await readAll(busy)).toString(), 'UNDER WAY');
    await closed;
    assert.ok(performance.now() - started >= 295);
    assert.equal(server.connections, 0);
    assert.equal((await readAll(stuck)).toString(), '');
  });
});
