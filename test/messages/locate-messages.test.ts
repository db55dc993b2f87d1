import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  DoveadmCommandError,
  type DoveadmClient,
  type DoveadmCommand,
  type DoveadmRow,
} from '../../src/dovecot/doveadm-client.ts';
import { readTransaction } from '../../src/events/event-schema.ts';
import { createListMessages } from '../../src/messages/list-messages.ts';
import { createLocateMessages } from '../../src/messages/locate-messages.ts';

/** Answers as doveadm would; with the real one: test/e2e/push/unnumbered.test.ts. */
function standIn(answers: (DoveadmCommandError | DoveadmRow[])[]) {
  const asked: DoveadmCommand[] = [];
  const doveadm = {
    runAll: (commands: readonly DoveadmCommand[]) => {
      asked.push(...commands);
      return Promise.resolve(answers);
    },
  } as unknown as DoveadmClient;
  return { asked, locate: createLocateMessages(createListMessages(doveadm)) };
}

describe('messages that Dovecot has not numbered yet', () => {
  it('are taken in: their event has uid 0, and uidvalidity 0 in a mailbox that is only begun', () => {
    for (const uidvalidity of [0, 1]) {
      const event = { event: 'MessageNew', mailbox: 'INBOX', uid: 0, uidvalidity };
      assert.notEqual(typeof readTransaction({ user: 'alice', events: [event] }), 'string');
      const read = { ...event, event: 'MessageRead' };
      assert.equal(typeof readTransaction({ user: 'alice', events: [read] }), 'string');
    }
  });

  it('are found though very many messages share their subject', async () => {
    const rows = Array.from({ length: 200_000 }, (_, index) => ({ uid: String(index + 1) }));
    const { locate } = standIn([[{ mailbox: 'INBOX', uidvalidity: '5' }], rows]);
    const places = await locate('alice', [{ mailbox: 'INBOX', subject: 'Re:' }]);
    assert.deepEqual(places, [{ mailbox: 'INBOX', uid: 200_000, uidvalidity: 5 }]);
  });

  it('are found by Message-ID, else by subject, else as the newest; one that is gone is not', async () => {
    const command = { name: 'fetch', parameters: {} };
    const { asked, locate } = standIn([
      [{ mailbox: 'INBOX', uidvalidity: '5' }],
      [{ uid: '3' }, { uid: '7' }],
      [{ uid: '2' }],
      [{ uid: '11' }],
      [],
      new DoveadmCommandError(command, 'exitCode', 68),
    ]);
    const places = await locate('alice', [
      { mailbox: 'INBOX', messageId: '<a@b>' },
      { mailbox: 'INBOX', subject: 'Hej' },
      { mailbox: 'INBOX' },
      { mailbox: 'INBOX', messageId: '<gone@b>' },
      { mailbox: 'Gone', messageId: '<c@d>' },
    ]);
    const found = (uid: number) => ({ mailbox: 'INBOX', uid, uidvalidity: 5 });
    assert.deepEqual(places, [found(7), found(2), found(11), undefined, undefined]);
    const queries = asked.slice(1).map(({ parameters }) => parameters['query']);
    assert.deepEqual(queries.slice(0, 3), [
      ['mailbox', 'INBOX', 'header', 'message-id', '<a@b>'],
      ['mailbox', 'INBOX', 'header', 'subject', 'Hej'],
      ['mailbox', 'INBOX', '*'],
    ]);
  });

  it('are not taken for gone when Dovecot refuses: they are looked up again later', async () => {
    const command = { name: 'fetch', parameters: {} };
    const refusal = new DoveadmCommandError(command, 'exitCode', 75);
    const { locate } = standIn([[{ mailbox: 'INBOX', uidvalidity: '5' }], refusal]);
    await assert.rejects(locate('alice', [{ mailbox: 'INBOX', messageId: '<a@b>' }]), refusal);
  });
});
