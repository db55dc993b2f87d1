import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { before, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { startPrivateDovecot, type PrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import { deliver } from '../../src/cli/demo/lmtp-client.ts';
import { runCommand } from '../../src/cli/demo/run-command.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { describeVersions } from '../support/dovecot-versions.ts';
import { ImapClient } from '../support/imap-client.ts';
import { spawnSidecar } from '../support/spawn-sidecar.ts';
import { eventually, startStage, VENDOR } from '../support/start-stage.ts';

describeVersions('the service as a process', (version) => {
  let dovecot: PrivateDovecot;
  let config: Record<string, Record<string, unknown>>;
  const teardown = createTeardown();
  before(async () => {
    dovecot = await startPrivateDovecot({ version });
    teardown.defer(() => dovecot.stop());
    const { dir } = dovecot.layout;
    config = {
      http: { listen: new URL(dovecot.sidecar.url).host, token: dovecot.sidecar.token },
      dict: { socket: dovecot.sockets.dict, mode: '0666' },
      sieve: { socket: dovecot.sockets.classify, mode: '0666' },
      store: { url: `sqlite:${join(dir, 'state.db')}` },
      outbox: { path: join(dir, 'outbox.db') },
      doveadm: { url: dovecot.doveadm.url, api_key: dovecot.doveadm.apiKey },
      events: { dir: dovecot.eventsDir },
      spool: { dir: dovecot.layout.oldSpoolDir },
    };
  });

  /** A request whose body is sent in two halves, with time in between. */
  async function slowEvent(whileOpen: () => void): Promise<number> {
    const body = JSON.stringify({
      user: 'alice',
      events: [{ event: 'MessageRead', mailbox: 'INBOX', uid: 1, uidvalidity: 1 }],
    });
    return new Promise((resolve, reject) => {
      const sending = request(
        `${dovecot.sidecar.url}/v1/events`,
        {
          method: 'POST',
          headers: {
            authorization: `Bearer ${dovecot.sidecar.token}`,
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
          },
        },
        (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        },
      );
      sending.on('error', reject);
      sending.write(body.slice(0, 20));
      setTimeout(whileOpen, 100);
      setTimeout(() => sending.end(body.slice(20)), 300);
    });
  }

  it('finishes what was accepted when SIGTERM comes, and ends with exit code 0', async () => {
    const sidecar = await spawnSidecar(dovecot.layout.dir, config);
    const status = await slowEvent(() => sidecar.process.kill('SIGTERM'));
    assert.equal(status, 204);
    await sidecar.ended;
    assert.equal(sidecar.process.exitCode, 0, sidecar.log());
    assert.match(sidecar.log(), /"msg":"stopped"/);
  });

  it('starts again after SIGKILL, over the sockets and files that were left', async () => {
    const first = await spawnSidecar(dovecot.layout.dir, config);
    await first.kill();
    const second = await spawnSidecar(dovecot.layout.dir, config);
    const client = await ImapClient.open(dovecot.imap, {
      user: 'bob',
      password: dovecot.password,
    });
    const entry = '/private/vendor/vendor.dovecot/coi/config/enabled';
    assert.equal((await client.setMetadata('', entry, 'yes')).status, 'OK');
    await client.close();
    await second.stop();
    assert.equal(second.process.exitCode, 0);
  });

  it('makes an event log for the mail processes of its users before they have anything to say', async () => {
    const events = { dir: join(dovecot.layout.dir, 'new-events') };
    const sidecar = await spawnSidecar(dovecot.layout.dir, { ...config, events });
    const { mailUid } = dovecot;
    await eventually(() => assert.ok(existsSync(join(events.dir, String(mailUid), 'log'))));
    await sidecar.stop();
  });

  it('ends itself when it hangs, and the next start is none the worse', async () => {
    const { dir } = dovecot.layout;
    const hang = join(dir, 'hang.mjs');
    await writeFile(hang, `process.on('SIGUSR2', function hang() { for (;;); });`);
    const watched = { ...config, watchdog: { timeout: '2 secs' } };
    const env = { NODE_OPTIONS: `--import=${pathToFileURL(hang).href}` };
    const sidecar = await spawnSidecar(dir, watched, env);
    sidecar.process.kill('SIGUSR2');
    assert.deepEqual(await sidecar.ended, [null, 'SIGKILL']);
    await eventually(() =>
      assert.match(sidecar.log(), /"stack":\["hang [^\n]*the event loop hangs/),
    );
    const next = await spawnSidecar(dir, config);
    await next.stop();
  });

  it('refuses to start with a bad configuration and says everything that is wrong', async () => {
    const main = new URL('../../src/main.ts', import.meta.url).pathname;
    const file = join(dovecot.layout.dir, 'bad.yaml');
    await writeFile(file, 'http: { listn: x }\nwebpush: { padding: 7 }\n');
    for (const command of ['serve', 'check']) {
      const { exitCode, stderr } = await runCommand(process.execPath, [
        main,
        command,
        '--config',
        file,
      ]);
      assert.notEqual(exitCode, 0);
      for (const problem of ['http.listn', 'webpush.padding']) {
        assert.ok(stderr.includes(problem), `${command}: ${problem} in ${stderr}`);
      }
    }
  });

  it('says which file another process holds', async () => {
    const first = await spawnSidecar(dovecot.layout.dir, config);
    await assert.rejects(
      spawnSidecar(dovecot.layout.dir, {
        ...config,
        http: { ...config['http'], listen: '127.0.0.1:0' },
      }),
      /state\.db/,
    );
    await first.stop();
  });
});

describeVersions('the classify road over HTTP, with the shipped shell program', (version) => {
  it('gives the same answer as the socket', async () => {
    const stage = await startStage({ version, classify: 'http' });
    try {
      const user = stage.freshUser();
      const client = await stage.login(user);
      await client.setMetadata('', `${VENDOR}/coi/config/message-filter`, 'active');
      await client.setMetadata('', `${VENDOR}/coi/config/enabled`, 'yes');
      const message =
        'Subject: x\r\nChat-Version: 1.0\r\nMessage-ID: <1@example.org>\r\n\r\nHej\r\n';
      await deliver(stage.dovecot.lmtp, 'a@example.org', [user], message);
      await client.ok('EXAMINE COI/Chats');
      assert.match((await client.ok('FETCH 1 (FLAGS)')).untagged.join(), /\$Chat/);
      const counted = await stage.app.ground.metrics.registry.metrics();
      assert.match(counted, /coi_classifications_total\{road="http",answer="file"\} 1/);
    } finally {
      await stage.close();
    }
  });
});
