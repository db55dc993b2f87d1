import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, it } from 'node:test';
import { simpleParser } from 'mailparser';
import type { DovecotVersion } from '../../../src/cli/demo/dovecot-release.ts';
import { runCommand } from '../../../src/cli/demo/run-command.ts';
import { createTeardown } from '../../support/create-teardown.ts';
import { describeVersions } from '../../support/dovecot-versions.ts';
import { startStage, type Stage } from '../../support/start-stage.ts';
import { coiAccount, deliverTo, subscribe } from '../conformance/steps.ts';

const noGpg = (await runCommand('gpg', ['--version'])).exitCode !== 0 && 'gpg is not installed';
const TEXT = 'Content-Type: text/plain; charset=utf-8\r\n\r\nGrüße, aber geheim 🥗\r\n';

const title = 'an encrypted message can be decrypted from its push alone';
const define = (version: DovecotVersion): void => {
  let stage: Stage;
  let home: string;

  const gpg = async (args: string[], input = ''): Promise<string> => {
    const options = ['--homedir', home, '--batch', '--quiet', '--trust-model', 'always'];
    const { exitCode, stdout, stderr } = await runCommand('gpg', [...options, ...args], { input });
    assert.equal(exitCode, 0, stderr);
    return stdout;
  };

  const teardown = createTeardown();
  before(async () => {
    // Short: the agent's socket stands in it.
    home = await mkdtemp(join(tmpdir(), 'coi-gpg-'));
    teardown.defer(() => rm(home, { recursive: true }));
    teardown.defer(async () => {
      await runCommand('gpgconf', ['--homedir', home, '--kill', 'all']);
    });
    stage = await startStage({ version });
    teardown.defer(() => stage.close());
    await gpg(['--passphrase', '', '--quick-generate-key', 'bob@example.org', 'future-default']);
  });

  for (const road of ['classify', 'doveadm fetch'] as const) {
    it(`multipart/encrypted, by way of ${road}`, async () => {
      const { user, client } = await coiAccount(stage, 'active');
      const agent = await stage.userAgent();
      await subscribe(client, agent);

      const armoured = await gpg(['--armor', '--encrypt', '--recipient', 'bob@example.org'], TEXT);
      const chat = road === 'classify' ? 'Chat-Version: 1.0\r\n' : '';
      await deliverTo(stage, user, encryptedMessage(chat, armoured));

      const { payload } = await agent.next();
      // What a client does: the body under its type is a message again (RFC 3156 section 4).
      const rebuilt = `Content-Type: ${String(payload['content-type'])}\n\n${String(payload['content'])}`;
      const { attachments } = await simpleParser(rebuilt);
      assert.deepEqual(
        attachments.map(({ contentType }) => contentType),
        ['application/pgp-encrypted', 'application/octet-stream'],
      );
      const sealed = attachments[1]?.content.toString() ?? '';
      assert.equal(await gpg(['--decrypt'], sealed), TEXT);
    });
  }
};
describeVersions(title, define, noGpg);

const encryptedMessage = (header: string, armoured: string): Buffer =>
  Buffer.from(`${header}From: alice@example.org
Subject: ...
Message-ID: <sealed.${Math.random()}@example.org>
MIME-Version: 1.0
Content-Type: multipart/encrypted; protocol="application/pgp-encrypted";
 boundary="=-=${'x'.repeat(40)}"

--=-=${'x'.repeat(40)}
Content-Type: application/pgp-encrypted

Version: 1

--=-=${'x'.repeat(40)}
Content-Type: application/octet-stream; name="encrypted.asc"

${armoured}
--=-=${'x'.repeat(40)}--
`);
