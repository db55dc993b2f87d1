import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { startRecordingHttpServer } from '../support/recording-http-server.ts';
import { configIn, overlay, type Sections } from '../support/config-in.ts';
import { launchSidecar, spawnSidecar, type SpawnedSidecar } from '../support/spawn-sidecar.ts';
import { eventually } from '../support/start-stage.ts';
import { makeTempDir } from '../stores/make-temp-dir.ts';
import { teardownOf } from '../support/create-teardown.ts';

interface Line {
  level: string;
  msg: string;
  [field: string]: unknown;
}

const linesOf = (sidecar: SpawnedSidecar): Line[] =>
  sidecar
    .log()
    .split('\n')
    .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Line] : []));

/** The newest line of that text; waits until there are so many. */
async function nextLine(sidecar: SpawnedSidecar, msg: string, count = 1): Promise<Line> {
  let found: Line[] = [];
  await eventually(() => {
    found = linesOf(sidecar).filter((line) => line.msg === msg);
    assert.equal(found.length, count, sidecar.log());
  });
  return found.at(-1)!;
}

describe('SIGHUP', () => {
  /** A service, and where its doveadm API would be: what it shows there is recorded. */
  async function setUp(test: TestContext) {
    const directory = makeTempDir();
    teardownOf(test).defer(directory.remove);
    const doveadm = await startRecordingHttpServer(() => ({ status: 200, body: '[]' }));
    teardownOf(test).defer(() => doveadm[Symbol.asyncDispose]());
    const at = (name: string): string => join(directory.path, name);
    let config = configIn(directory.path, {
      log: { level: 'info' },
      http: { token: 'dovecots-first-token', admin_token: 'admins-first-token' },
      doveadm: { url: `${doveadm.url}/doveadm/v1`, api_key: 'the-first-api-key' },
    });
    const reload = async (sidecar: SpawnedSidecar, changes: Sections): Promise<void> => {
      config = overlay(config, changes);
      await writeFile(at('coi-sidecar.yaml'), JSON.stringify(config));
      sidecar.process.kill('SIGHUP');
    };
    return { directory, config, doveadm, reload };
  }

  async function start(test: TestContext) {
    const parts = await setUp(test);
    const sidecar = await spawnSidecar(parts.directory.path, parts.config);
    teardownOf(test).defer(() => sidecar.kill());
    const { url } = await nextLine(sidecar, 'coi-sidecar is ready');
    const ask = async (path: string, token: string, init: RequestInit = {}): Promise<number> => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      return (await fetch(`${String(url)}${path}`, { ...init, headers })).status;
    };
    const event = { event: 'MessageRead', mailbox: 'INBOX', uid: 1, uidvalidity: 1 };
    const report = (token: string): Promise<number> =>
      ask('/v1/events', token, {
        method: 'POST',
        body: JSON.stringify({ user: 'alice', events: [event] }),
      });
    return { ...parts, sidecar, ask, report };
  }

  it('has tokens, keys and the level taken over, and says what needs a restart', async (test) => {
    const { sidecar, ask, report, reload, doveadm } = await start(test);
    assert.equal(await report('dovecots-first-token'), 204);
    assert.equal(await ask('/v1/users', 'admins-first-token'), 200);
    await ask('/readyz', '');
    const before = doveadm.requests.at(-1)?.headers['authorization'];

    await reload(sidecar, {
      log: { level: 'debug' },
      http: { token: 'dovecots-second-token', admin_token: 'admins-second-token' },
      doveadm: { api_key: 'the-second-api-key', timeout: '3 s' },
      webpush: {
        vapid_subject: 'mailto:postmaster@example.org',
        proxy_trusted_users: ['proxy'],
      },
    });
    const { changed } = await nextLine(sidecar, 'reloaded');
    assert.deepEqual((changed as string[]).sort(), [
      ...['doveadm.api_key', 'http.admin_token', 'http.token', 'log.level'],
      ...['webpush.proxy_trusted_users', 'webpush.vapid_subject'],
    ]);
    const left = await nextLine(
      sidecar,
      'options have changed that need a restart; they stay as they were',
    );
    assert.equal(left.level, 'warn');
    assert.deepEqual(left['options'], ['doveadm.timeout']);

    assert.equal(await report('dovecots-first-token'), 401);
    assert.equal(await report('dovecots-second-token'), 204);
    assert.equal(await ask('/v1/users', 'admins-first-token'), 401);
    assert.equal(await ask('/v1/users', 'admins-second-token'), 200);
    await eventually(async () => {
      await ask('/readyz', '');
      const key = String(doveadm.requests.at(-1)?.headers['authorization']);
      assert.notEqual(key, before);
      assert.equal(Buffer.from(key.split(' ')[1] ?? '', 'base64').toString(), 'the-second-api-key');
    });
    for (const secret of ['token-', 'api-key-', 'dovecots-second', 'the-second']) {
      assert.ok(!sidecar.log().includes(secret), secret);
    }
  });

  it('changes nothing where the configuration is wrong, and says why', async (test) => {
    const { sidecar, report, reload } = await start(test);
    await reload(sidecar, {
      http: { token: 'dovecots-second-token' },
      webpush: { ca_file: '/none' },
    });
    const line = await nextLine(sidecar, 'not reloaded: everything stays as it was');
    assert.equal(line.level, 'error');
    assert.match(String(line['reason']), /webpush\.ca_file: \/none cannot be read/);
    assert.equal(await report('dovecots-first-token'), 204);
    assert.equal(await report('dovecots-second-token'), 401);

    await reload(sidecar, { webpush: { ca_file: '' } });
    await nextLine(sidecar, 'reloaded');
    assert.equal(await report('dovecots-second-token'), 204);
  });

  it('does not switch the calls of administrators on or off: that needs a restart', async (test) => {
    const { sidecar, ask, reload } = await start(test);
    await reload(sidecar, { http: { admin_token: '' } });
    const left = await nextLine(
      sidecar,
      'options have changed that need a restart; they stay as they were',
    );
    assert.deepEqual(left['options'], ['http.admin_token']);
    assert.equal(await ask('/v1/users', 'admins-first-token'), 200);
    assert.equal(await ask('/v1/users', ''), 401);
  });

  it('may come a hundred times at once, and while the service stops', async (test) => {
    const { sidecar, reload } = await start(test);
    for (let count = 0; count < 100; count++) sidecar.process.kill('SIGHUP');
    await reload(sidecar, { log: { level: 'warn' } });
    await eventually(() => assert.match(sidecar.log(), /"changed":\["log\.level"\]/));
    sidecar.process.kill('SIGTERM');
    sidecar.process.kill('SIGHUP');
    await sidecar.ended;
    assert.equal(sidecar.process.exitCode, 0);
  });

  it('does not end a service that is about to start', async (test) => {
    const { directory, config } = await setUp(test);
    // What keeps it from being ready for a while.
    const slow = `data:text/javascript,${encodeURIComponent(`
      process.on('newListener', (name) => {
        if (name === 'SIGHUP') process.kill(process.pid, 'SIGHUP');
      });`)}`;
    const sidecar = await launchSidecar(directory.path, config, {
      NODE_OPTIONS: `--import=${slow}`,
    });
    teardownOf(test).defer(() => sidecar.kill());
    await sidecar.ready;
    await nextLine(sidecar, 'reloaded');
  });
});

it('an error that nobody expected is a line of the log', async (test) => {
  const directory = makeTempDir();
  teardownOf(test).defer(directory.remove);
  const crash = `data:text/javascript,${encodeURIComponent(`
    process.on('newListener', (name) => {
      if (name === 'SIGTERM') setTimeout(() => { throw new Error('on purpose'); }, 100);
    });`)}`;
  const sidecar = await launchSidecar(directory.path, configIn(directory.path), {
    NODE_OPTIONS: `--import=${crash}`,
  });
  teardownOf(test).defer(() => sidecar.kill());
  await sidecar.ended;
  const line = linesOf(sidecar).find(({ level }) => level === 'fatal');
  assert.equal(line?.msg, 'ended by an error that nobody expected');
  assert.match(JSON.stringify(line['err']), /on purpose/);
});
