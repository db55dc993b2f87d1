import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import type { MessageFilter } from '../../../src/coi/settings.ts';
import { createTeardown } from '../../support/create-teardown.ts';
import { describeVersions } from '../../support/dovecot-versions.ts';
import { eventually, fixture, startStage, type Stage } from '../../support/start-stage.ts';
import {
  chat,
  coiAccount,
  deliverTo,
  flagsIn,
  mail,
  message,
  subscribe,
} from '../conformance/steps.ts';

/** Long enough for a push that should not come; the next one that should come is waited for, too. */
const QUIET_MSECS = 300;

describeVersions('what is not pushed, or not again', (version) => {
  let stage: Stage;
  const teardown = createTeardown();
  before(async () => {
    stage = await startStage({ version });
    teardown.defer(() => stage.close());
  });

  async function reader(filter: MessageFilter) {
    const { user, client } = await coiAccount(stage, filter);
    const agent = await stage.userAgent();
    await subscribe(client, agent);
    return {
      ...{ user, client, agent },
      /** That no push came but those that were taken: the next one is for the next delivery. */
      nothingElse: async (): Promise<void> => {
        await new Promise((resolve) => setTimeout(resolve, QUIET_MSECS));
        await deliverTo(stage, user, mail('Subject: the next one'));
        assert.equal((await agent.next()).payload['subject'], 'the next one');
        assert.equal(agent.waiting, 0);
      },
    };
  }

  /** `POST /v1/events`, as lua/coi.lua does it; returns whether it was taken. */
  const post = async (user: string, events: readonly object[]): Promise<boolean> => {
    const { url, token } = stage.dovecot.sidecar;
    const { ok } = await fetch(`${url}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ user, service: 'lmtp', events }),
    });
    return ok;
  };

  for (const filter of ['none', 'active'] as const) {
    it(`a disposition notification, as chat and as mail (${filter})`, async () => {
      const { user, nothingElse } = await reader(filter);
      const receipt = fixture('read-receipt.eml');
      const ordinary = receipt
        .toString()
        .replace(/^Chat-Version.*\n/m, '')
        .replaceAll('chat$', '');
      const withText = message(
        [
          'Chat-Version: 1.0',
          'Content-Type: multipart/report; REPORT-TYPE="disposition-notification"; boundary=b',
        ],
        '--b\r\n\r\nThis is worth reading\r\n--b--\r\n',
      );
      const receiptPart = 'Content-Type: message/disposition-notification\r\n\r\nDisposition: x';
      const throughList = message(
        ['Content-Type: multipart/mixed; boundary=b'],
        `--b\r\n${receiptPart}\r\n--b\r\n\r\nTo leave the list …\r\n--b--\r\n`,
      );
      const encrypted = message(
        [
          ...['Chat-Version: 1.0', 'Auto-Submitted: auto-replied'],
          'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b',
        ],
        '--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--b--\r\n',
      );
      for (const one of [receipt, Buffer.from(ordinary), withText, throughList, encrypted]) {
        await deliverTo(stage, user, one);
      }
      await nothingElse();
    });
  }

  it('an APPEND, not even of chat, and a COPY', async () => {
    const { client, nothingElse } = await reader('active');
    await client.ok('APPEND INBOX', mail('Subject: appended'));
    await client.ok('APPEND COI/Chats', chat('Subject: appended'));
    await client.ok('SELECT INBOX');
    await client.ok('COPY 1 COI/Chats');
    await nothingElse();
  });

  it('a chat message that the sidecar moves to Chats when it is seen', async () => {
    const { user, client, agent, nothingElse } = await reader('seen');
    await deliverTo(stage, user, chat('Subject: once'));
    assert.equal((await agent.next()).payload['subject'], 'once');
    await client.ok('SELECT INBOX');
    await client.ok('STORE 1 +FLAGS (\\Seen)');
    await eventually(async () => assert.equal((await flagsIn(client, 'COI/Chats')).length, 1));
    await nothingElse();
  });

  it('a delivery that Dovecot reports again', async () => {
    const { user, agent, nothingElse } = await reader('none');
    await deliverTo(stage, user, mail('Subject: once'));
    const { payload } = await agent.next();
    const { uid, uidvalidity } = payload;
    const event = { event: 'MessageNew', mailbox: 'INBOX', uid, uidvalidity };
    assert.ok(await post(user, [event]));
    assert.ok(await post(user, [event, event]));
    await nothingElse();
    await stage.restart();
    assert.ok(await post(user, [event]), 'remembered over a restart');
    await nothingElse();
  });

  it('the same report twice at the same moment: one push', async () => {
    const { user, client, agent, nothingElse } = await reader('none');
    // APPEND is not reported, so these are the first reports of the message.
    await client.ok('APPEND INBOX', mail('Subject: reported twice'));
    const { untagged } = await client.ok('STATUS INBOX (UIDVALIDITY)');
    const uidvalidity = Number(/UIDVALIDITY (\d+)/.exec(untagged.join())?.[1]);
    const event = { event: 'MessageNew', mailbox: 'INBOX', uid: 1, uidvalidity };
    const answers = await Promise.all([1, 2, 3].map(() => post(user, [event])));
    assert.deepEqual(answers, [true, true, true]);
    assert.equal((await agent.next()).payload['subject'], 'reported twice');
    await nothingElse();
  });

  it('chat that was filed late, reported again from the spool', async () => {
    const { user, client, agent, nothingElse } = await reader('active');
    // In INBOX with $Chat: what is left of a delivery during which nobody answered Sieve.
    await client.ok('APPEND INBOX ($Chat)', chat('Subject: late'));
    const { untagged } = await client.ok('STATUS INBOX (UIDVALIDITY)');
    const uidvalidity = Number(/UIDVALIDITY (\d+)/.exec(untagged.join())?.[1]);
    const event = {
      event: 'MessageNew',
      mailbox: 'INBOX',
      uid: 1,
      uidvalidity,
      keywords: ['$Chat'],
      message_id: /^Message-ID: (.*)$/m.exec(await textOf(client))?.[1]?.trim(),
    };
    assert.ok(await post(user, [event]));
    const { payload } = await agent.next();
    assert.equal(payload['folder'], 'COI/Chats');
    assert.ok(await post(user, [event]), 'it is in INBOX no more');
    assert.equal((await flagsIn(client, 'COI/Chats')).length, 1);
    await nothingElse();
  });
});

async function textOf(client: { ok(text: string): Promise<{ untagged: string[] }> }) {
  await client.ok('EXAMINE INBOX');
  const { untagged } = await client.ok('FETCH 1 BODY.PEEK[HEADER]');
  return untagged.join('\n');
}
