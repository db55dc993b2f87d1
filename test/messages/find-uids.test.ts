import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  DoveadmCommandError,
  type DoveadmClient,
  type DoveadmCommand,
} from '../../src/dovecot/doveadm-client.ts';
import { transactionValidator } from '../../src/events/event-schema.ts';
import { createFindUids } from '../../src/messages/find-uids.ts';

/** Answers as doveadm would; with the real one: test/e2e/push/unnumbered.test.ts. */
function standIn(answers: (DoveadmCommandError | Record<string, string>[])[]) {
  const asked: DoveadmCommand[] = [];
  const doveadm = {
    runAll: (commands: readonly DoveadmCommand[]) => {
      asked.push(...commands);
      return Promise.resolve(answers);
    },
  } as unknown as DoveadmClient;
  return { asked, findUids: createFindUids(doveadm) };
}

describe('messages that Dovecot has not numbered yet', () => {
  it('are taken in: their event has uid 0', () => {
    const event = { event: 'MessageNew', mailbox: 'INBOX', uid: 0, uidvalidity: 1 };
    assert.ok(transactionValidator.Check({ user: 'alice', events: [event] }));
    const read = { ...event, event: 'MessageRead' };
    assert.ok(!transactionValidator.Check({ user: 'alice', events: [read] }));
  });

  it('are found by Message-ID, else by subject, else as the newest; one that is gone is not', async () => {
    const command = { name: 'fetch', parameters: {} };
    const { asked, findUids } = standIn([
      [{ uid: '3' }, { uid: '7' }],
      [{ uid: '2' }],
      [{ uid: '11' }],
      [],
      new DoveadmCommandError(command, 'exitCode', 68),
    ]);
    const uids = await findUids('alice', [
      { mailbox: 'INBOX', messageId: '<a@b>' },
      { mailbox: 'INBOX', subject: 'Hej' },
      { mailbox: 'INBOX' },
      { mailbox: 'INBOX', messageId: '<gone@b>' },
      { mailbox: 'Gone', messageId: '<c@d>' },
    ]);
    assert.deepEqual(uids, [7, 2, 11, undefined, undefined]);
    assert.deepEqual(asked[0]?.parameters['query'], [
      'mailbox',
      'INBOX',
      'header',
      'message-id',
      '<a@b>',
    ]);
    assert.deepEqual(asked[1]?.parameters['query'], [
      'mailbox',
      'INBOX',
      'header',
      'subject',
      'Hej',
    ]);
    assert.deepEqual(asked[2]?.parameters['query'], ['mailbox', 'INBOX', '*']);
  });
});
