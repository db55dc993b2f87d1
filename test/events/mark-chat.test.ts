import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import {
  DoveadmCommandError,
  type DoveadmClient,
  type DoveadmCommand,
} from '../../src/dovecot/doveadm-client.ts';
import { UnavailableError } from '../../src/errors.ts';
import type { MessageNewEvent } from '../../src/events/event-schema.ts';
import { createMarkChat, type MarkChat } from '../../src/events/mark-chat.ts';
import type { MessagePlace } from '../../src/messages/message-place.ts';
import { createRecentMessages, type RecentMessages } from '../../src/messages/recent-messages.ts';
import { recordLog } from '../support/record-log.ts';

const USER = 'alice';
const COI = { enabled: true, messageFilter: 'none' } as const;
const MESSAGE = Buffer.from(
  'From: a@b\r\nMessage-ID: <1@b>\r\nChat-Version: 1.0\r\nSubject: x\r\n\r\nHello\r\n',
);

const CONTEXT = { session: undefined, receivedAt: 1_700_000_000_000 };

// With a real Dovecot: test/e2e/mark-chat.test.ts.
describe('chat that was delivered without $Chat', () => {
  let asked: DoveadmCommand[];
  let answer: () => Promise<(DoveadmCommandError | [])[]>;
  let found: (MessagePlace | undefined)[];
  let recent: RecentMessages;
  let log: ReturnType<typeof recordLog>;
  let mark: MarkChat;
  beforeEach(() => {
    asked = [];
    answer = () => Promise.resolve([[]]);
    found = [];
    log = recordLog();
    recent = createRecentMessages({ capacity: 1_048_576 });
    recent.keep(USER, '1@b', MESSAGE);
    mark = createMarkChat({
      recent,
      locate: () => Promise.resolve(found),
      doveadm: {
        runAll: (commands: readonly DoveadmCommand[]) => {
          asked.push(...commands);
          return answer();
        },
      } as unknown as DoveadmClient,
      log: log.log,
    });
  });

  const event = (changes: Partial<MessageNewEvent> = {}): MessageNewEvent => ({
    ...{ event: 'MessageNew', mailbox: 'INBOX', uid: 7, uidvalidity: 1 },
    ...{ keywords: ['Junk'], message_id: '<1@b>', from: 'a@b', subject: 'x' },
    ...changes,
  });
  const keywordsOf = async (...events: MessageNewEvent[]) =>
    (await mark(USER, events, COI, CONTEXT)).map(({ keywords }) => keywords);

  it('gets it, and counts as chat', async () => {
    assert.deepEqual(await keywordsOf(event()), [['Junk', '$Chat']]);
    assert.deepEqual(asked, [
      {
        name: 'flagsAdd',
        parameters: { user: USER, flag: ['$Chat'], query: ['mailbox', 'INBOX', 'uid', '7'] },
      },
    ]);
  });

  it('gets it in each mailbox where it is', async () => {
    await keywordsOf(event(), event({ uid: 8 }), event({ mailbox: 'A' }));
    assert.deepEqual(
      asked.map(({ parameters }) => parameters['query']),
      [
        ['mailbox', 'INBOX', 'uid', '7,8'],
        ['mailbox', 'A', 'uid', '7'],
      ],
    );
  });

  it('gets it once, for its user may take it away: an event that comes again is only counted', async () => {
    await keywordsOf(event());
    assert.deepEqual(await keywordsOf(event()), [['Junk', '$Chat']]);
    assert.equal(asked.length, 1);
  });

  it('gets it when Dovecot answers again', async () => {
    answer = () => Promise.reject(new UnavailableError('Dovecot does not answer'));
    await assert.rejects(keywordsOf(event()), UnavailableError);
    answer = () => Promise.resolve([[]]);
    assert.deepEqual(await keywordsOf(event()), [['Junk', '$Chat']]);
    assert.equal(asked.length, 2);
  });

  it('counts as chat even where Dovecot refuses, which is said; that it is gone is not', async () => {
    for (const [exitCode, warnings] of [
      [68, 0],
      [77, 1],
    ] as const) {
      const refusal = new DoveadmCommandError(
        { name: 'flagsAdd', parameters: {} },
        'exitCode',
        exitCode,
      );
      answer = () => Promise.resolve([refusal]);
      assert.deepEqual(await keywordsOf(event({ uid: exitCode })), [['Junk', '$Chat']]);
      assert.equal(log.said('warn').length, warnings);
    }
  });

  it('is found when Dovecot could not number it yet', async () => {
    found = [{ mailbox: 'INBOX', uid: 9, uidvalidity: 2 }];
    const unnumbered = event({ uid: 0, uidvalidity: 0 });
    const [marked] = await mark(USER, [unnumbered], COI, CONTEXT);
    assert.deepEqual(marked, event({ uid: 9, uidvalidity: 2, keywords: ['Junk', '$Chat'] }));
    found = [undefined];
    assert.deepEqual(await mark(USER, [unnumbered], COI, CONTEXT), [unnumbered]);
    assert.equal(asked.length, 1);
  });

  it('leaves all else alone, and asks Dovecot nothing about it', async () => {
    const others: MessageNewEvent[] = [
      event({ keywords: ['$chat'] }),
      event({ message_id: '<2@b>' }),
      event({ subject: 'another of that Message-ID' }),
    ];
    recent.keep(USER, '3@b', Buffer.from('From: a@b\r\nMessage-ID: <3@b>\r\nSubject: x\r\n\r\n'));
    others.push(event({ message_id: '<3@b>' }));
    const place = { event: 'MessageNew', mailbox: 'INBOX', uid: 7, uidvalidity: 1 } as const;
    others.push({ ...place, keywords: [] }, { ...place, message_id: '<1@b>' });
    assert.deepEqual(await mark(USER, others, COI, CONTEXT), others);
    const off = { enabled: false, messageFilter: 'none' } as const;
    assert.deepEqual(await mark(USER, [event()], off, CONTEXT), [event()]);
    assert.deepEqual(asked, []);
  });
});
