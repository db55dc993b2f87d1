import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { createTeardown } from '../support/create-teardown.ts';
import { describeVersions } from '../support/dovecot-versions.ts';
import { eventually, startStage, type Stage } from '../support/start-stage.ts';
import { chat, coiAccount, deliverTo, flagsIn, settle } from './conformance/steps.ts';

/** Several times what a doveadm command may take, and what the spool waits before it tries again. */
const LOCKED_MSECS = 5_000;

describeVersions('a mailbox that is locked for long', (version) => {
  let stage: Stage;
  const teardown = createTeardown();
  before(async () => {
    stage = await startStage({
      version,
      config: { doveadm: { timeout: '1 s' }, spool: { poll_interval: '500 ms' } },
    });
    teardown.defer(() => stage.close());
  });

  it('gets one copy of a message that is moved there', async () => {
    const { user, client } = await coiAccount(stage, 'seen');
    await deliverTo(stage, user, chat());
    await settle(stage);
    const maildir = join(stage.dovecot.layout.mailDir, user, 'Mail', '.COI.Chats');
    const lock = join(maildir, 'dovecot-uidlist.lock');
    await writeFile(lock, `${process.pid}:localhost`);
    await client.ok('SELECT INBOX');
    await client.ok('STORE 1 +FLAGS (\\Seen)');
    await setTimeout(LOCKED_MSECS);
    await rm(lock);
    await eventually(async () => {
      await client.ok('SELECT INBOX');
      assert.deepEqual(await flagsIn(client, 'INBOX'), []);
    }, 30_000);
    await setTimeout(LOCKED_MSECS / 2); // what else waited for the lock
    assert.equal((await flagsIn(client, 'COI/Chats')).length, 1);
  });
});
