import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, it } from 'node:test';
import { createTeardown } from '../support/create-teardown.ts';
import { describeVersions } from '../support/dovecot-versions.ts';
import { startStage, type Stage } from '../support/start-stage.ts';
import {
  chat,
  coiAccount,
  deliverTo,
  ENABLED,
  flagsIn,
  get,
  mailboxes,
  settle,
} from './conformance/steps.ts';

/** docs/operations.md, "Keeping Chats where it is". */
const configure = (version: string, file: string): string =>
  version === '2.3'
    ? `protocol imap {
  mail_plugins = $mail_plugins acl
}
protocol lmtp {
  mail_plugins = $mail_plugins acl
}
protocol doveadm {
  mail_plugins = $mail_plugins acl
}
plugin {
  acl = vfile:${file}
}`
    : `mail_plugins {
  acl = yes
}
acl_driver = vfile
acl_global_path = ${file}`;

describeVersions('Dovecot’s acl plugin keeps Chats where it is', (version) => {
  let stage: Stage;
  const teardown = createTeardown();
  before(async () => {
    const dir = await mkdtemp(join(tmpdir(), 'coi-acl-'));
    teardown.defer(() => rm(dir, { recursive: true }));
    chmodSync(dir, 0o755);
    const file = join(dir, 'acl');
    await writeFile(file, 'COI/Chats owner lrwstipek\n');
    stage = await startStage({ version, extraConfig: configure(version, file) });
    teardown.defer(() => stage.close());
  });

  it('RENAME and DELETE are answered with NO; chat is filed, and all else goes on', async () => {
    const { user, client } = await coiAccount(stage, 'active');
    for (const command of [
      'RENAME COI/Chats Talks',
      'RENAME COI/Chats Trash/Chats',
      'DELETE COI/Chats',
    ]) {
      const { status, text } = await client.command(command);
      assert.equal(status, 'NO', command);
      assert.match(text, /^\[NOPERM\]/, command);
    }
    await settle(stage);
    assert.equal(await get(client, ENABLED), 'yes');
    await deliverTo(stage, user, chat());
    assert.deepEqual(await flagsIn(client, 'COI/Chats'), [['$Chat']]);
    await client.ok('CREATE Work');
    await client.ok('RENAME Work Play');
  });

  it('a RENAME of the parent is undone afterwards, as ever', async () => {
    const { client } = await coiAccount(stage, 'active');
    const { status } = await client.command('RENAME COI Elsewhere');
    await settle(stage);
    assert.ok((await mailboxes(client)).includes('COI/Chats'), status);
    assert.equal(await get(client, ENABLED), 'yes');
  });
});
