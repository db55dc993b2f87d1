import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { clearSocketPath } from '../../src/socket/clear-socket-path.ts';
import { SOCKET_LIMITS } from '../../src/socket/socket-limits.ts';
import { temporaryFolder } from './socket-test-support.ts';

/** Leaves a socket file as a killed process does. */
function leaveStaleSocket(path: string): void {
  const script = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script, path]);
  assert.ok(existsSync(path), 'the stale socket is there');
}

const refused = (path: string, message: RegExp, name = 'SocketSetupError') =>
  assert.rejects(clearSocketPath(path), (error: Error) => {
    assert.equal(error.name, name);
    assert.ok(error.message.startsWith(`${path}: `), `names the path: ${error.message}`);
    assert.match(error.message, message);
    return true;
  });

describe('clearSocketPath', () => {
  test('has nothing to do where nothing is', async () => {
    await using folder = await temporaryFolder('clear');
    await clearSocketPath(join(folder.path, 'a.sock'));
  });

  test('removes a socket that nobody listens on', async () => {
    await using folder = await temporaryFolder('clear');
    const path = join(folder.path, 'a.sock');
    leaveStaleSocket(path);
    await clearSocketPath(path);
    assert.equal(existsSync(path), false);
  });

  test('leaves a socket alone that somebody listens on', async () => {
    await using folder = await temporaryFolder('clear');
    const path = join(folder.path, 'a.sock');
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => void server.listen(path, resolve));
    await refused(path, /another process listens there already/);
    assert.equal(existsSync(path), true);
    server.close();
  });

  test('leaves anything else alone', async () => {
    await using folder = await temporaryFolder('clear');
    const file = join(folder.path, 'file');
    const link = join(folder.path, 'link');
    await writeFile(file, 'precious');
    await symlink(file, link);
    await refused(file, /not a socket; move it away/);
    await refused(link, /not a socket/);
    assert.equal(existsSync(file), true);
  });

  test('says which folder is missing', async () => {
    await using folder = await temporaryFolder('clear');
    await refused(join(folder.path, 'no/such/a.sock'), /the folder \S+\/no\/such does not exist/);
    await writeFile(join(folder.path, 'file'), '');
    await refused(join(folder.path, 'file', 'a.sock'), /is not a folder/);
  });

  test('takes a path of exactly the limit and refuses one octet more', async () => {
    await using folder = await temporaryFolder('clear');
    const long = join(folder.path, 'x'.repeat(SOCKET_LIMITS.pathOctets - folder.path.length - 1));
    await clearSocketPath(long);
    await refused(`${long}y`, /longer than the 107 octets/, 'InvalidInputError');
    await mkdir(join(folder.path, 'é'));
  });
});
