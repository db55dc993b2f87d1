import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import type { MessageFilter } from '../../src/coi/settings.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { describeVersions } from '../support/dovecot-versions.ts';
import { eventually, startStage, type Stage } from '../support/start-stage.ts';
import type { UserAgent } from '../support/user-agent.ts';
import {
  chat,
  coiAccount,
  deliverTo,
  flagsIn,
  mail,
  settle,
  settlePushes,
  subscribe,
  userScript,
  type Account,
} from './conformance/steps.ts';

describeVersions('chat whose flags the user’s own Sieve script replaces', (version) => {
  let stage: Stage;
  const teardown = createTeardown();
  before(async () => {
    stage = await startStage({ version });
    teardown.defer(() => stage.close());
  });

  interface Person extends Account {
    chats: UserAgent;
    mails: UserAgent;
  }

  async function newPerson(filter: MessageFilter): Promise<Person> {
    const account = await coiAccount(stage, filter);
    const [chats, mails] = [await stage.userAgent(), await stage.userAgent()];
    await subscribe(account.client, chats, { msgtype: 'chat' });
    await subscribe(account.client, mails, { msgtype: 'mail' });
    const script = 'require "imap4flags"; setflag "\\\\Flagged"; keep;';
    await userScript(stage, account.user, script);
    return { ...account, chats, mails };
  }

  it('is pushed as chat, with its content, and other mail as mail', async () => {
    const { user, chats, mails } = await newPerson('none');
    await deliverTo(stage, user, chat('Subject: chat'));
    await deliverTo(stage, user, mail('Subject: mail'));
    const { payload } = await chats.next();
    assert.deepEqual([payload['subject'], payload['content']], ['chat', 'Hello\n']);
    assert.equal((await mails.next()).payload['subject'], 'mail');
    await settlePushes(stage);
    assert.deepEqual([chats.waiting, mails.waiting], [0, 0]);
  });

  it('leaves INBOX under seen when it is seen', async () => {
    const { user, client } = await newPerson('seen');
    await deliverTo(stage, user, chat());
    await deliverTo(stage, user, mail());
    await settle(stage);
    await client.ok('SELECT INBOX');
    await client.ok('UID STORE 1:2 +FLAGS (\\Seen)');
    await eventually(async () => {
      const moved = await flagsIn(client, 'COI/Chats');
      assert.deepEqual(moved, [['\\Flagged', '\\Seen', '$Chat']]);
    });
    assert.deepEqual(await flagsIn(client, 'INBOX'), [['\\Flagged', '\\Seen']]);
  });

  it('loses $Chat for good when its user takes it away', async () => {
    const { user, client } = await newPerson('none');
    await deliverTo(stage, user, chat());
    await settle(stage);
    assert.deepEqual(await flagsIn(client, 'INBOX'), [['\\Flagged', '$Chat']]);
    await client.ok('SELECT INBOX');
    await client.ok('UID STORE 1 -FLAGS ($Chat)');
    await deliverTo(stage, user, chat());
    await settle(stage);
    assert.deepEqual(await flagsIn(client, 'INBOX'), [['\\Flagged'], ['\\Flagged', '$Chat']]);
  });
});
