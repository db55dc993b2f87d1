import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import { createTeardown } from '../support/create-teardown.ts';
import { describeVersions } from '../support/dovecot-versions.ts';
import { startStage, type Stage } from '../support/start-stage.ts';
import type { UserAgent } from '../support/user-agent.ts';
import {
  chat,
  coiAccount,
  contact,
  deliverTo,
  ENABLED,
  flagsIn,
  get,
  mail,
  set,
  settle,
  subjectsIn,
  subscribe,
  userScript,
  type Account,
} from './conformance/steps.ts';

/** What doveadm takes for patterns, and another mailbox that each fits. */
const NAMES = [
  ['100%', '100 other'],
  ['A*', 'Archive'],
  ['*', 'Zoo'],
] as const;

describeVersions('mailboxes with names that are patterns to doveadm', (version) => {
  let stage: Stage;
  const teardown = createTeardown();
  before(async () => {
    stage = await startStage({ version });
    teardown.defer(() => stage.close());
  });

  /** Someone whose Sieve script files by `X-Mailbox`. */
  async function newPerson(): Promise<Account & { agent: UserAgent }> {
    const account = await coiAccount(stage, 'none');
    const agent = await stage.userAgent();
    await subscribe(account.client, agent);
    await userScript(
      stage,
      account.user,
      `require ["fileinto", "mailbox", "variables"];
       if header :matches "X-Mailbox" "*" { fileinto :create "\${1}"; }`,
    );
    return { ...account, agent };
  }

  const bodies = {
    plain: Buffer.from('Hello\r\n'),
    'outside UTF-8': Buffer.from('Gr\u{fc}\u{df}e\r\n', 'latin1'),
  };
  for (const [what, body] of Object.entries(bodies)) {
    it(`a push tells of the message that came, and no other (${what})`, async () => {
      const { user, agent } = await newPerson();
      for (const mailbox of NAMES.flat()) {
        const header = mail(`X-Mailbox: ${mailbox}`, `Subject: into ${mailbox}`);
        const marked = Buffer.from(`${mailbox}\r\n`);
        await deliverTo(stage, user, Buffer.concat([header, marked, body]));
        const { payload } = await agent.next();
        const { subject, folder, uid, content } = payload;
        assert.deepEqual(
          { subject, folder, uid },
          { subject: `into ${mailbox}`, folder: mailbox, uid: 1 },
        );
        const octets =
          payload['content-encoding'] === 'base64'
            ? Buffer.from(String(content), 'base64')
            : Buffer.from(String(content));
        assert.ok(octets.includes(`${mailbox}\n`), mailbox);
      }
    });
  }

  it('a message that Dovecot could not number yet is found in its mailbox, and in no other', async () => {
    const { user, agent } = await newPerson();
    for (const [named, other] of NAMES) {
      for (const mailbox of [named, other, other]) {
        await deliverTo(stage, user, mail(`X-Mailbox: ${mailbox}`, 'Subject: the same'));
        await agent.next();
      }
    }
    for (const [mailbox] of NAMES) {
      const event = { event: 'MessageNew', mailbox, uid: 0, uidvalidity: 0 } as const;
      await stage.app.flows.intake.take({
        user,
        events: [{ ...event, keywords: [], subject: 'the same' }],
      });
    }
    // What was pushed before is not pushed twice.
    await settle(stage);
    await deliverTo(stage, user, mail('Subject: the last'));
    assert.equal((await agent.next()).payload['subject'], 'the last');
  });

  it('chat of a blocked contact is set aside late, and nothing else', async () => {
    const { user, client } = await newPerson();
    const eve = 'From: eve@example.org';
    for (const [mailbox, other] of NAMES) {
      await deliverTo(stage, user, chat(eve, `X-Mailbox: ${mailbox}`, 'Subject: blocked'));
      await deliverTo(stage, user, chat(eve, `X-Mailbox: ${other}`, 'Subject: from before'));
    }
    await settle(stage);
    await client.ok('APPEND COI/Contacts', contact(['eve@example.org']));
    for (const [mailbox] of NAMES) {
      // As after an outage; the messages are found by uid.
      const event = { event: 'MessageNew', mailbox, uid: 1, uidvalidity: 1 } as const;
      const events = [{ ...event, keywords: ['$Chat'], from: 'eve@example.org' }];
      await stage.app.flows.intake.take({ user, events });
    }
    await settle(stage);
    assert.deepEqual(
      await subjectsIn(client, 'Blocked'),
      NAMES.map(() => 'blocked'),
    );
    for (const [mailbox, other] of NAMES) {
      assert.deepEqual(await flagsIn(client, mailbox), [], mailbox);
      assert.deepEqual(await subjectsIn(client, other), ['from before']);
    }
  });
});

describeVersions('mailboxes whose names fit a pattern among those of COI', (version) => {
  const teardown = createTeardown();

  it('no contact is read from another mailbox than Contacts', async () => {
    const stage = await startStage({ version, config: { coi: { mailbox_root: 'C%' } } });
    teardown.defer(() => stage.close());
    const { user, client } = await coiAccount(stage, 'none');
    await client.ok('CREATE Cold/Contacts');
    await client.ok('APPEND Cold/Contacts', contact(['eve@example.org']));
    await client.ok('APPEND C%/Contacts', contact(['mallory@example.org']));
    await settle(stage);
    await deliverTo(stage, user, chat('From: eve@example.org', 'Subject: wanted'));
    await deliverTo(stage, user, chat('From: mallory@example.org', 'Subject: blocked'));
    await settle(stage);
    assert.deepEqual(await subjectsIn(client, 'INBOX'), ['wanted']);
    assert.deepEqual(await subjectsIn(client, 'Blocked'), ['blocked']);
  });

  it('no mailbox is taken for Chats because its name as a pattern fits one that is', async () => {
    const stage = await startStage({
      version,
      extraConfig: `namespace compat {
  prefix = old/
  separator = /
  alias_for =${version === '2.3' ? '' : ' inbox'}
  hidden = no
  list = yes
  inbox = no
}
`,
    });
    teardown.defer(() => stage.close());
    const { client } = await coiAccount(stage, 'none');
    await set(client, ENABLED, null);
    await client.ok('CREATE o%/COI/Chats');
    await settle(stage);
    assert.equal(await get(client, ENABLED), null);
  });
});
