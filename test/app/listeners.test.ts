import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Agent } from 'undici';
import { createApp } from '../../src/app.ts';
import { createAdminClient, pathOf } from '../../src/cli/admin-client.ts';
import { findFreePort } from '../../src/cli/demo/find-free-port.ts';
import { readConfig } from '../../src/config/load-config.ts';
import { createAskHttp } from '../../src/cli/doctor/setup/ask-http.ts';
import { configIn } from '../support/config-in.ts';
import { startImpostor } from '../support/impostor.ts';
import { recordLog } from '../support/record-log.ts';
import { eventually } from '../support/start-stage.ts';
import { notRoot } from '../support/unprivileged.ts';
import { makeTempDir } from '../stores/make-temp-dir.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const ADMIN_TOKEN = 'an-admin-token-for-tests';

/** No Dovecot is there to answer it. */
function makeConfig(teardown: AsyncDisposableStack, listen: string, socket = 'http.sock') {
  const directory = makeTempDir();
  teardown.defer(directory.remove);
  const at = (name: string): string => join(directory.path, name);
  const config = configIn(directory.path, {
    http: {
      ...{ listen, admin_token: ADMIN_TOKEN },
      ...(socket !== '' && { socket: at(socket), mode: '0600' }),
    },
  });
  return { at, text: JSON.stringify(config), config: readConfig(JSON.stringify(config)) };
}

describe('http.socket', () => {
  it('is a second way in, for the command line above all', async () => {
    await using teardown = new AsyncDisposableStack();
    const { config, at } = makeConfig(teardown, '127.0.0.1:0');
    const app = await createApp(config, { log: recordLog().log });
    await app.start();
    teardown.defer(() => app.stop());
    assert.equal((await stat(at('http.sock'))).mode & 0o777, 0o600);
    // By TCP it would reach nobody: the port of the configuration is 0.
    const client = createAdminClient(config);
    assert.deepEqual(await client.call('GET', pathOf('throttled')), { users: [] });
    const agent = new Agent({ connect: { socketPath: at('http.sock') } });
    // As Dovecot 2.4 asks, which takes the socket for that of a proxy.
    for (const path of ['/healthz', 'http://coi-sidecar/healthz']) {
      const answer = await agent.request({ origin: 'http://x', path, method: 'GET' });
      assert.equal(answer.statusCode, 200);
      await answer.body.dump();
    }
    // Connections that wait for further requests do not hold up the stop.
    const started = performance.now();
    await app.stop();
    assert.ok(performance.now() - started < 4_000);
    assert.ok(!existsSync(at('http.sock')));
    await client.close();
    await agent.close();
  });
});

describe('the admin token', { skip: notRoot }, () => {
  it('is not sent to another user who has taken our port while we are down', async () => {
    await using teardown = new AsyncDisposableStack();
    await using impostor = await startImpostor();
    const { config } = makeConfig(teardown, `127.0.0.1:${impostor.port}`);
    const client = createAdminClient(config);
    teardown.defer(() => client.close());
    await assert.rejects(client.call('GET', '/v1/users'), /no service answers.*uid 65534/);
    const ask = createAskHttp(() => []);
    await assert.rejects(
      ask(`http://127.0.0.1:${impostor.port}/v1/throttled`, { authorization: ADMIN_TOKEN }),
      /uid 65534/,
    );
    assert.equal(impostor.heard(), '');
  });
});

const noSystemd =
  !existsSync('/usr/bin/systemd-socket-activate') && 'systemd-socket-activate is not here';

/** As systemd starts the service: the port is taken first, and the first who asks starts it. */
function activate(
  teardown: AsyncDisposableStack,
  listen: string,
  file: string,
): { log: () => string } {
  let log = '';
  const program = ['--listen', listen, process.execPath, MAIN, 'serve', '--config', file];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'systemd-socket-activate', ...program], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (log += text));
  }
  teardown.defer(async () => {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  });
  return { log: () => log };
}

describe('a port that systemd has taken before', { skip: noSystemd }, () => {
  it('is served, and whoever asked before the service was there is answered', async () => {
    await using teardown = new AsyncDisposableStack();
    const listen = `127.0.0.1:${await findFreePort()}`;
    const { at, text } = makeConfig(teardown, listen);
    await writeFile(at('config.yaml'), text);
    const { log } = activate(teardown, listen, at('config.yaml'));
    await eventually(() => assert.match(log(), /Listening on/));
    const answer = await fetch(`http://${listen}/healthz`);
    assert.equal(answer.status, 200);
    const ready = new RegExp(`"url":"http://${listen}".*coi-sidecar is ready`);
    await eventually(() => assert.match(log(), ready));
    assert.doesNotMatch(log(), /ListenStream/);
  });

  it('is served beside http.listen when that is another, with a warning', async () => {
    await using teardown = new AsyncDisposableStack();
    const held = `127.0.0.1:${await findFreePort()}`;
    const listen = `127.0.0.1:${await findFreePort()}`;
    const { at, text } = makeConfig(teardown, listen);
    await writeFile(at('config.yaml'), text);
    const { log } = activate(teardown, held, at('config.yaml'));
    await eventually(() => assert.match(log(), /Listening on/));
    for (const address of [held, listen]) {
      assert.equal((await fetch(`http://${address}/healthz`)).status, 200);
    }
    assert.match(log(), /has another address than http\.listen: set its ListenStream/);
  });
});
