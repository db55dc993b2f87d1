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

  it('are found among very many with their subject', async () => {
    const rows = Array.from({ length: 200_000 }, (_, index) => ({
      ...{ uid: String(index + 1), 'hdr.subject.utf8': 'Re: all' },
    }));
    const { locate } = standIn([[{ mailbox: 'INBOX', uidvalidity: '5' }], rows]);
    const places = await locate('alice', [{ mailbox: 'INBOX', subject: 'Re:' }], 0);
    assert.deepEqual(places, [{ mailbox: 'INBOX', uid: 200_000, uidvalidity: 5 }]);
  });

  it('are found by Message-ID, else by subject, else as the newest; one that is gone is not', async () => {
    const command = { name: 'fetch', parameters: {} };
    const row = (uid: number, id: string, subject: string) => ({
      ...{ uid: `${uid}`, 'hdr.message-id': id, 'hdr.subject.utf8': subject },
    });
    const { asked, locate } = standIn([
      [{ mailbox: 'INBOX', uidvalidity: '5' }],
      [
        ...[row(2, '', 'Hej  då'), row(3, '<a$1@b>', ''), row(7, ' <a$1@b>', 'x')],
        ...[row(8, '<aa$1@b>', 'x'), row(11, '', 'Oj')],
      ],
      new DoveadmCommandError(command, 'exitCode', 68),
    ]);
    const since = Date.UTC(2026, 0, 15, 12);
    const messages = [
      { mailbox: 'INBOX', messageId: '<a$1@b>' },
      { mailbox: 'INBOX', subject: 'Hej då' },
      { mailbox: 'INBOX' },
      { mailbox: 'INBOX', messageId: '<gone@b>' },
      { mailbox: 'INBOX', subject: 'gone' },
      { mailbox: 'Gone', messageId: '<c@d>' },
    ];
    const places = await locate('alice', messages, since);
    const found = (uid: number) => ({ mailbox: 'INBOX', uid, uidvalidity: 5 });
    assert.deepEqual(places, [found(7), found(2), found(11), undefined, undefined, undefined]);
    const queries = asked.slice(1).map(({ parameters }) => parameters['query']);
    const anHourBefore = String(since / 1_000 - 3_600);
    assert.deepEqual(queries, [
      ['mailbox', 'INBOX', 'since', anHourBefore],
      ['mailbox', 'Gone', 'since', anHourBefore],
    ]);
  });

  it('are not taken for gone when Dovecot refuses: they are looked up again later', async () => {
    const command = { name: 'fetch', parameters: {} };
    const refusal = new DoveadmCommandError(command, 'exitCode', 75);
    const { locate } = standIn([[{ mailbox: 'INBOX', uidvalidity: '5' }], refusal]);
    await assert.rejects(locate('alice', [{ mailbox: 'INBOX', messageId: '<a@b>' }], 0), refusal);
  });
});
