import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { findDovecotRelease } from '../../src/cli/demo/dovecot-release.ts';
import { deliver } from '../../src/cli/demo/lmtp-client.ts';
import { type PrivateDovecot, startPrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import { type CommandResult, runCommand } from '../../src/cli/demo/run-command.ts';
import { withMode } from '../cli/doctor/seeds/change-for-a-while.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { dovecotVersions } from '../support/dovecot-versions.ts';
import {
  type RecordingHttpServer,
  startRecordingHttpServer,
} from '../support/recording-http-server.ts';
import { type ScriptStandIn, startScriptStandIn } from '../support/script-stand-in.ts';
import { eventually } from '../support/start-stage.ts';
import { notRoot } from '../support/unprivileged.ts';

const MESSAGE = 'From: bob@example.org\nSubject: Hi\nChat-Version: 1.0\n\nHello\n';

/**
 * As Postfix starts it by pipe(8) or as mailbox_command: with one user and one group. They have to be
 * those of the userdb, or Dovecot refuses. The group is also what coi-mail is for an admin.
 */
async function runLda(dovecot: PrivateDovecot, user: string): Promise<CommandResult> {
  const { version, mailUid, mailGid, layout } = dovecot;
  const release = await findDovecotRelease(version);
  const become = ['--reuid', String(mailUid), '--regid', String(mailGid), '--clear-groups'];
  const lda = ['/usr/lib/dovecot/dovecot-lda', '-c', layout.configFile];
  return runCommand(
    ...release!.commandLine('setpriv', [...become, ...lda, '-d', user, '-f', 'bob@example.org']),
    { input: MESSAGE },
  );
}

/** Without it 2.3 says at each delivery that it may not tell its statistics. */
const STATS = `service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}`;

const newUser = (): string => `${randomUUID().slice(0, 8)}@example.org`;

for (const { version, skip } of dovecotVersions) {
  describe(`dovecot-lda without root, Dovecot ${version}`, { skip: skip || notRoot }, () => {
    let http: RecordingHttpServer;
    let script: ScriptStandIn;
    let dovecot: PrivateDovecot;
    const teardown = createTeardown();
    before(async () => {
      http = teardown.use(await startRecordingHttpServer());
      dovecot = await startPrivateDovecot({
        version,
        sidecar: { url: http.url, token: 'a-token' },
        metadata: 'doveadm',
        // It cannot take the group, and goes on.
        extraConfig: `mail_access_groups = adm\n${STATS}`,
      });
      teardown.defer(() => dovecot.stop());
      script = teardown.use(await startScriptStandIn(dovecot.sockets.classify, () => 'flag'));
      // Here it writes to it itself; elsewhere that is syslog.
      await chmod(dovecot.layout.logFile, 0o666);
    });
    const token = (): string => join(dovecot.layout.coiDir, 'token.conf');
    const authorization = async () => (await http.take()).headers.authorization;
    const delivered = async (user: string): Promise<number> => {
      const { stdout } = await dovecot.runDoveadm(['search', '-u', user, 'mailbox', 'INBOX']);
      return stdout.split('\n').filter(Boolean).length;
    };

    test('delivers, asks where chat belongs, and reports with the token', async () => {
      const user = newUser();
      const { exitCode, stderr } = await runLda(dovecot, user);
      assert.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: '' });
      assert.equal(await delivered(user), 1);
      assert.equal(script.requests.length, 1);
      assert.equal(await authorization(), 'Bearer a-token');
      assert.deepEqual(dovecot.errors(), []);
    });

    test('delivers where it may not read the token, and has none', async () => {
      const user = newUser();
      const { exitCode } = await withMode(0o600)(token(), () => runLda(dovecot, user));
      assert.equal(exitCode, 0);
      assert.equal(await delivered(user), 1);
      assert.equal((await authorization())?.trim(), 'Bearer');
    });

    test('delivers where it may use neither the socket nor the event log', async () => {
      const user = newUser();
      const { classify } = dovecot.sockets;
      const { exitCode } = await withMode(0o600)(token(), () =>
        withMode(0o600)(classify, () =>
          withMode(0o700)(dovecot.eventsDir, () => runLda(dovecot, user)),
        ),
      );
      assert.equal(exitCode, 0);
      assert.equal(await delivered(user), 1);
      await http.take();
    });

    test('a snippet that only root may read keeps it from delivering', async () => {
      const user = newUser();
      const snippet = join(dovecot.layout.dir, '95-coi-doveadm-api.conf');
      const { exitCode, stderr } = await withMode(0o600)(snippet, () => runLda(dovecot, user));
      assert.notEqual(exitCode, 0);
      assert.match(stderr, /95-coi-doveadm-api\.conf: Permission denied/);
    });

    test('LMTP has the token from the config service, which root reads it for', async () => {
      const user = newUser();
      await withMode(0o600)(token(), async () => {
        await dovecot.runDoveadm(['reload']);
        await eventually(async () => {
          const { replies } = await deliver(dovecot.lmtp, 'bob@example.org', [user], MESSAGE);
          assert.equal(replies[0]?.code, 250);
        });
      });
      assert.equal(await authorization(), 'Bearer a-token');
    });
  });

  describe(
    `dovecot-lda without root and with the "ox" driver, Dovecot ${version}`,
    { skip: skip || notRoot },
    () => {
      test('delivers whether it may read the URL or not, and reports if it may', async () => {
        await using http = await startRecordingHttpServer();
        const dovecot = await startPrivateDovecot({
          ...{ version, metadata: 'doveadm', classify: 'none', events: 'ox' },
          sidecar: { url: http.url, token: 'a-token' },
          extraConfig: STATS,
        });
        try {
          await chmod(dovecot.layout.logFile, 0o666);
          const user = newUser();
          const entry = '/private/vendor/vendor.dovecot/http-notify';
          const command = ['mailbox', 'metadata', 'set', '-u', user, '-s', '', entry, 'user=coi'];
          assert.equal((await dovecot.runDoveadm(command)).exitCode, 0);
          assert.equal((await runLda(dovecot, user)).exitCode, 0);
          const { authorization } = (await http.take()).headers;
          assert.equal(authorization, `Basic ${Buffer.from('dovecot:a-token').toString('base64')}`);
          const url = join(dovecot.layout.coiDir, 'ox-url.conf');
          const without = await withMode(0o600)(url, () => runLda(dovecot, user));
          assert.equal(without.exitCode, 0);
          assert.equal(http.requests.length, 1);
        } finally {
          await dovecot.stop();
        }
      });
    },
  );
}
