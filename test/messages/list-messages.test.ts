import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  DoveadmCommandError,
  type DoveadmClient,
  type DoveadmCommand,
} from '../../src/dovecot/doveadm-client.ts';
import { createListMessages } from '../../src/messages/list-messages.ts';

const refusal = (exitCode: number): DoveadmCommandError =>
  new DoveadmCommandError({ name: 'fetch', parameters: {} }, 'exitCode', exitCode);

/** Answers as doveadm would; with the real one: test/e2e/ox-events.test.ts. */
function standIn(answers: (DoveadmCommandError | Record<string, string>[])[]) {
  const asked: DoveadmCommand[] = [];
  const doveadm = {
    runAll: (commands: readonly DoveadmCommand[]) => {
      asked.push(...commands);
      return Promise.resolve(answers);
    },
  } as unknown as DoveadmClient;
  return { asked, list: createListMessages(doveadm) };
}

describe('listing messages', () => {
  it('asks for all in one request, and for each mailbox’s UIDVALIDITY once', async () => {
    const { asked, list } = standIn([
      [
        { mailbox: 'COI/Chats', uidvalidity: '6' },
        { mailbox: 'INBOX', uidvalidity: '5' },
      ],
      [
        {
          uid: '7',
          flags: '\\Recent $Chat Junk',
          'hdr.message-id': '<chat$7@example.org>',
          'date.received.unixtime': '1700000000',
        },
        { uid: '8', flags: '', 'hdr.message-id': '', 'date.received.unixtime': '1700000001' },
      ],
      [],
      [],
    ]);
    const listings = await list('alice', [
      { mailbox: 'INBOX', criteria: ['uid', '7,8'] },
      { mailbox: 'INBOX', criteria: ['unseen'] },
      { mailbox: 'COI/Chats', criteria: ['all'] },
    ]);
    assert.deepEqual(listings, [
      {
        mailbox: 'INBOX',
        uidvalidity: 5,
        messages: [
          {
            uid: 7,
            keywords: ['$Chat', 'Junk'],
            messageId: '<chat$7@example.org>',
            received: 1_700_000_000,
          },
          { uid: 8, keywords: [], received: 1_700_000_001 },
        ],
      },
      { mailbox: 'INBOX', uidvalidity: 5, messages: [] },
      { mailbox: 'COI/Chats', uidvalidity: 6, messages: [] },
    ]);
    assert.deepEqual(asked[0]?.parameters['mailboxMask'], ['INBOX', 'COI/Chats']);
    assert.deepEqual(asked[1]?.parameters['query'], ['mailbox', 'INBOX', 'uid', '7,8']);
  });

  it('asks nothing for nothing', async () => {
    const { asked, list } = standIn([]);
    assert.deepEqual(await list('alice', []), []);
    assert.deepEqual(asked, []);
  });

  it('finds nothing in a mailbox that is gone, nor for a user who is', async () => {
    for (const exitCode of [67, 68]) {
      const { list } = standIn([refusal(exitCode), refusal(exitCode)]);
      const listings = await list('alice', [{ mailbox: 'Gone', criteria: ['all'] }]);
      assert.deepEqual(listings, [{ mailbox: 'Gone', uidvalidity: 0, messages: [] }]);
    }
  });

  it('does not take another refusal for an empty mailbox', async () => {
    const { list } = standIn([[], refusal(75)]);
    await assert.rejects(list('alice', [{ mailbox: 'INBOX', criteria: ['all'] }]), /exit code 75/);
  });
});
