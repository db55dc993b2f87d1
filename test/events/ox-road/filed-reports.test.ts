import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { createLocateMessages } from '../../../src/messages/locate-messages.ts';
import { systemClock } from '../../../src/clock.ts';
import { DoveadmCommandError, EXIT_CODES } from '../../../src/dovecot/doveadm-client.ts';
import { UnavailableError } from '../../../src/errors.ts';
import type { Transaction } from '../../../src/events/event-schema.ts';
import {
  createFiledReports,
  type FiledReports,
} from '../../../src/events/ox-road/filed-reports.ts';
import type { MailboxListing } from '../../../src/messages/list-messages.ts';
import { recordLog, type RecordedLog } from '../../support/record-log.ts';
import { eventually } from '../../support/start-stage.ts';

const there: MailboxListing = {
  mailbox: 'COI/Chats',
  uidvalidity: 5,
  messages: [1, 3, 2].map((uid) => ({
    ...{ uid, keywords: ['$Chat'], received: 0, messageId: '<chat$1@example.org>' },
  })),
};
const notYet: MailboxListing = { ...there, messages: [] };
const noUserDatabase = (): Error =>
  new DoveadmCommandError(
    { name: 'fetch', parameters: {} },
    'exitCode',
    EXIT_CODES.temporaryFailure,
  );

describe('chat that Sieve was told to file', () => {
  let answers: (MailboxListing | Error)[];
  let asked: number;
  let taken: Transaction[];
  let wantsPushes: boolean;
  let recorded: RecordedLog;
  let reports: FiledReports;
  beforeEach(() => {
    answers = [];
    asked = 0;
    taken = [];
    wantsPushes = true;
    recorded = recordLog();
    reports = createFiledReports({
      locate: createLocateMessages((user, queries) => {
        asked++;
        assert.equal(user, 'alice');
        assert.deepEqual(
          queries.map(({ mailbox, criteria: [key] }) => [mailbox, key]),
          [['COI/Chats', 'since']],
        );
        const answer = answers.shift() ?? notYet;
        return answer instanceof Error ? Promise.reject(answer) : Promise.resolve([answer]);
      }),
      wantsPushes: () => Promise.resolve(wantsPushes),
      take: (transaction) => {
        taken.push(transaction);
        return Promise.resolve();
      },
      clock: systemClock,
      log: recorded.log,
      pauses: [1, 1, 1],
    });
  });
  afterEach(() => reports.stop());
  const expect = (): void => reports.expect('alice', 'COI/Chats', 'chat$1@example.org');
  const over = (): Promise<void> =>
    eventually(() => assert.equal(reports.oldest(), undefined, 'still waiting'));

  it('is reported once it is there', async () => {
    answers = [notYet, there];
    expect();
    assert.ok(Math.abs((reports.oldest() ?? 0) - Date.now()) < 60_000);
    await over();
    assert.deepEqual(taken, [
      {
        user: 'alice',
        events: [
          {
            event: 'MessageNew',
            mailbox: 'COI/Chats',
            uid: 3,
            uidvalidity: 5,
            keywords: ['$Chat'],
            message_id: '<chat$1@example.org>',
          },
        ],
      },
    ]);
    assert.equal(asked, 2);
  });

  it('is given up when it does not come: its delivery failed', async () => {
    expect();
    await over();
    assert.equal(asked, 3);
    assert.deepEqual(taken, []);
  });

  it('is waited for as long as Dovecot does not answer', async () => {
    const away = Array.from({ length: 20 }, () => new UnavailableError('nobody there'));
    answers = [...away, there];
    expect();
    await over();
    assert.equal(taken.length, 1);
  });

  it('is waited for while Dovecot’s user database does not answer, not for ever', async () => {
    answers = [noUserDatabase(), noUserDatabase(), there];
    expect();
    await over();
    assert.equal(taken.length, 1);
    answers = [noUserDatabase(), noUserDatabase(), noUserDatabase(), there];
    expect();
    await over();
    assert.equal(taken.length, 1);
    assert.deepEqual(recorded.said('warn'), ['filed chat will not be pushed']);
  });

  it('is given up, with a word, when Dovecot refuses', async () => {
    answers = [new Error('refused')];
    expect();
    await over();
    assert.equal(asked, 1);
    assert.deepEqual(recorded.said('warn'), ['filed chat will not be pushed']);
  });

  it('is not asked about when nobody wants a push', async () => {
    wantsPushes = false;
    expect();
    await over();
    assert.equal(asked, 0);
  });

  it('is given up at the end of the service, without a word', async () => {
    answers = Array.from({ length: 1_000 }, () => new UnavailableError('nobody there'));
    expect();
    await eventually(() => assert.ok(asked > 0));
    await reports.stop();
    assert.equal(reports.oldest(), undefined);
    assert.deepEqual(recorded.lines, []);
  });
});
