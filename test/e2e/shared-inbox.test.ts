import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { before, describe, it } from 'node:test';
import { createTeardown } from '../support/create-teardown.ts';
import { describeVersions } from '../support/dovecot-versions.ts';
import { sharedNamespace, sharedScript } from '../support/shared-namespace.ts';
import { startStage, type Stage } from '../support/start-stage.ts';
import {
  chat,
  coiAccount,
  deliverTo,
  flagsIn,
  mail,
  newAccount,
  settle,
  type Account,
} from './conformance/steps.ts';

/** Who reads, and by what name they see the other's INBOX. */
interface Reader extends Account {
  mailbox: string;
}

describeVersions('chat that somebody else reads', (version) => {
  const teardown = createTeardown();
  const start = async (ownSeen = false): Promise<Stage> => {
    const extraConfig = sharedNamespace(version, ownSeen);
    const stage = await startStage({ version, extraConfig });
    teardown.defer(() => stage.close());
    const { coiDir } = stage.dovecot.layout;
    await stage.dovecot.reconfigure(extraConfig + sharedScript(version, coiDir));
    return stage;
  };
  const reader = async (stage: Stage, owner: Account, rights = 'lrs'): Promise<Reader> => {
    const account = await newAccount(stage);
    await owner.client.ok(`SETACL INBOX ${account.user} ${rights}`);
    return { ...account, mailbox: `shared/${owner.user}/INBOX` };
  };
  const store = async ({ client, mailbox }: Reader, command: string): Promise<void> => {
    await client.ok(`SELECT "${mailbox}"`);
    await client.ok(command);
    await client.ok('UNSELECT');
  };
  const reported = async (stage: Stage, event: string): Promise<number> => {
    const { values } = await stage.app.ground.metrics.events.get();
    return values.find(({ labels }) => labels.event === event)?.value ?? 0;
  };

  describe('through a shared namespace', () => {
    let stage: Stage;
    before(async () => {
      stage = await start();
    });

    it('leaves INBOX for the Chats of whose it is, mail stays', async () => {
      const alice = await coiAccount(stage, 'seen');
      await deliverTo(stage, alice.user, chat());
      await deliverTo(stage, alice.user, mail());
      await deliverTo(stage, alice.user, chat());
      const bob = await reader(stage, alice);
      await store(bob, 'UID STORE 1:2 +FLAGS (\\Seen)');
      await settle(stage);
      assert.deepEqual(await flagsIn(alice.client, 'COI/Chats'), [['\\Seen', '$Chat']]);
      assert.deepEqual(await flagsIn(alice.client, 'INBOX'), [['\\Seen'], ['$Chat']]);
    });

    it('does so where INBOX is named as Dovecot names it in short', async () => {
      const alice = await coiAccount(stage, 'seen');
      await deliverTo(stage, alice.user, chat());
      const bob = await reader(stage, alice);
      await store({ ...bob, mailbox: `shared/${alice.user}` }, 'UID STORE 1 +FLAGS (\\Seen)');
      await settle(stage);
      assert.deepEqual(await flagsIn(alice.client, 'COI/Chats'), [['\\Seen', '$Chat']]);
    });

    it('does so for a reader who uses COI too, whose own chat stays', async () => {
      const alice = await coiAccount(stage, 'seen');
      await deliverTo(stage, alice.user, chat());
      const bob = { ...(await coiAccount(stage, 'seen')), mailbox: `shared/${alice.user}/INBOX` };
      await alice.client.ok(`SETACL INBOX ${bob.user} lrs`);
      await deliverTo(stage, bob.user, chat());
      await store(bob, 'UID STORE 1 +FLAGS (\\Seen)');
      await settle(stage);
      assert.deepEqual(await flagsIn(alice.client, 'COI/Chats'), [['\\Seen', '$Chat']]);
      assert.deepEqual(await flagsIn(bob.client, 'INBOX'), [['$Chat']]);
      await store({ ...bob, mailbox: 'INBOX' }, 'UID STORE 1 +FLAGS (\\Seen)');
      await settle(stage);
      assert.deepEqual(await flagsIn(bob.client, 'COI/Chats'), [['\\Seen', '$Chat']]);
    });

    it('does so when a STORE replaced all flags, $Chat too', async () => {
      const alice = await coiAccount(stage, 'seen');
      await deliverTo(stage, alice.user, chat());
      const bob = await reader(stage, alice, 'lrsw');
      await store(bob, 'UID STORE 1 FLAGS (\\Seen)');
      await settle(stage);
      assert.deepEqual(await flagsIn(alice.client, 'COI/Chats'), [['\\Seen', '$Chat']]);
    });

    it('does so when the service comes back, if it was away', async () => {
      const alice = await coiAccount(stage, 'seen');
      await deliverTo(stage, alice.user, chat());
      const bob = await reader(stage, alice);
      await settle(stage);
      await stage.app.stop();
      await store(bob, 'UID STORE 1 +FLAGS (\\Seen)');
      await stage.restart();
      await settle(stage);
      assert.deepEqual(await flagsIn(alice.client, 'COI/Chats'), [['\\Seen', '$Chat']]);
    });

    it('stays under none, and in other mailboxes than INBOX', async () => {
      const alice = await coiAccount(stage, 'none');
      await deliverTo(stage, alice.user, chat());
      const bob = await reader(stage, alice);
      await alice.client.ok('CREATE Work');
      await alice.client.ok(`SETACL Work ${bob.user} lrs`);
      await alice.client.ok('SELECT INBOX');
      await alice.client.ok('COPY 1 Work');
      await store(bob, 'UID STORE 1 +FLAGS (\\Seen)');
      await store({ ...bob, mailbox: `shared/${alice.user}/Work` }, 'UID STORE 1 +FLAGS (\\Seen)');
      await settle(stage);
      assert.deepEqual(await flagsIn(alice.client, 'INBOX'), [['\\Seen', '$Chat']]);
      assert.deepEqual(await flagsIn(alice.client, 'Work'), [['\\Seen', '$Chat']]);
    });

    it('is nothing that Dovecot asks about where the owner does not use COI', async () => {
      const alice = await newAccount(stage);
      await deliverTo(stage, alice.user, mail());
      const bob = await reader(stage, alice);
      await settle(stage);
      const before = await reported(stage, 'MessageRead');
      await store(bob, 'UID STORE 1 +FLAGS (\\Seen)');
      await settle(stage);
      assert.equal(await reported(stage, 'MessageRead'), before);
    });
  });

  it('is told of by the lines at the end of the snippet', async () => {
    const snippet = new URL(`../../dovecot-conf/${version}/95-coi-events.conf`, import.meta.url);
    const text = await readFile(snippet, 'utf8');
    const [, lines = ''] = /word for word\.\n((?:#.*\n)+)$/.exec(text) ?? [];
    assert.equal(lines.replaceAll(/^#/gm, ''), sharedScript(version, '/etc/dovecot/coi'));
  });

  it('stays where \\Seen is the reader’s alone', async () => {
    const stage = await start(true);
    const alice = await coiAccount(stage, 'seen');
    await deliverTo(stage, alice.user, chat());
    const bob = await reader(stage, alice);
    await store(bob, 'UID STORE 1 +FLAGS (\\Seen)');
    await settle(stage);
    assert.deepEqual(await flagsIn(bob.client, bob.mailbox), [['\\Seen', '$Chat']]);
    assert.deepEqual(await flagsIn(alice.client, 'INBOX'), [['$Chat']]);
    await store({ ...alice, mailbox: 'INBOX' }, 'UID STORE 1 +FLAGS (\\Seen)');
    await settle(stage);
    assert.deepEqual(await flagsIn(alice.client, 'COI/Chats'), [['\\Seen', '$Chat']]);
  });
});
