import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { DovecotVersion } from '../../src/cli/demo/dovecot-release.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { describeVersions } from '../support/dovecot-versions.ts';
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

interface Sharing {
  /** What stands in the path of the scripts; the snippet's own where it is not said. */
  script?: string;
  /** Everybody has `\Seen` flags of their own. */
  ownSeen?: boolean;
}

/** Everybody may open the others' mailboxes, as far as those let them by SETACL. */
const sharing = (version: DovecotVersion, { script, ownSeen = false }: Sharing): string =>
  version === '2.3'
    ? `protocol imap {
  mail_plugins = $mail_plugins acl imap_acl
}
namespace shared {
  type = shared
  separator = /
  prefix = shared/%%u/
  location = maildir:%%h/Mail${ownSeen ? ':INDEXPVT=~/shared/%%u' : ''}
  subscriptions = no
  list = children
}
plugin {
  acl = vfile
}
${
  script === undefined
    ? ''
    : `protocol imap {
  plugin {
    push_notification_driver = lua:file=${script}
    coi_sidecar_shared_prefix = shared/%%u/
  }
}`
}`
    : `mail_plugins {
  acl = yes
}
protocol imap {
  mail_plugins {
    imap_acl = yes
  }
}
acl_driver = vfile
namespace shared {
  type = shared
  separator = /
  prefix = shared/$user/
  mail_path = %{owner_home}/Mail
  ${ownSeen ? 'mail_index_private_path = ~/shared/%{owner_user}' : ''}
  subscriptions = no
  list = children
}
${
  script === undefined
    ? ''
    : `protocol imap {
  push_notification coi {
    lua_file = ${script}
    lua_settings {
      coi_sidecar_shared_prefix = shared/$user/
    }
  }
}`
}`;

/** Who reads, and by what name they see the other's INBOX. */
interface Reader extends Account {
  mailbox: string;
}

describeVersions('chat that somebody else reads', (version) => {
  const teardown = createTeardown();
  const start = async (given: Sharing & { isOn?: boolean }): Promise<Stage> => {
    const stage = await startStage({ version, extraConfig: sharing(version, given) });
    teardown.defer(() => stage.close());
    if (given.isOn === false) return stage;
    const script = `${stage.dovecot.layout.coiDir}/coi-shared.lua`;
    await stage.dovecot.reconfigure(sharing(version, { ...given, script }));
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
      stage = await start({});
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

  it('stays where \\Seen is the reader’s alone', async () => {
    const stage = await start({ ownSeen: true });
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
