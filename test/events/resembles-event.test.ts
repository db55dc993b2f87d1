import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MessageNewEvent } from '../../src/events/event-schema.ts';
import { resemblesEvent } from '../../src/events/resembles-event.ts';

const RECEIVED =
  'Received: from client.example.org ([127.0.0.1])\n\tby mail.example.org with LMTP\n\t' +
  'id wO4MOMgACmvlagAAg+zDdQ\n\t(envelope-from <a@b>)\n\tfor <c@d>; Fri, 27 Nov 2026 22:14:32 +0000\n';
const FIELDS =
  'From: =?utf-8?q?J=C3=B6rg?=\n <joerg@example.org>\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n' +
  'Date: Mon, 4 Dec 2023 15:51:37 +0100\nMessage-ID: <1@example.org>\n';

/** As Dovecot's event has them: From as it stands, Subject decoded. */
const event: MessageNewEvent = {
  ...{
    event: 'MessageNew',
    mailbox: 'INBOX',
    uid: 1,
    uidvalidity: 1,
    message_id: '<1@example.org>',
  },
  from: '=?utf-8?q?J=C3=B6rg?= <joerg@example.org>',
  subject: 'Grüße',
  date: Date.parse('2023-12-04T14:51:37Z') / 1_000,
  tz: 60,
};
const OTHER: Record<string, Partial<MessageNewEvent>> = {
  'another sender': { from: 'Jörg <joerg@example.com>' },
  'another subject': { subject: 'Gruß' },
  'another date': { date: (event.date ?? 0) + 1 },
  'no subject': { subject: '' },
};

const judge = (message: string, session?: string, fields: Partial<MessageNewEvent> = {}): string =>
  resemblesEvent({ ...event, ...fields }, session)(Buffer.from(`${message}\nHello\n`));

describe('a message that was seen before it was stored', () => {
  it('is that of an event with its LMTP session, for every recipient of the transaction', () => {
    for (const suffix of ['', ':R2', ':R17']) {
      assert.equal(judge(RECEIVED + FIELDS, `wO4MOMgACmvlagAAg+zDdQ${suffix}`), 'surely');
    }
  });

  it('is not that of another session, or transaction, though all fields be the same', () => {
    for (const session of ['wO4MOMgACmvlagAAg+zDdR', 'wO4MOMgACmvlagAAg+zDdQ:T2']) {
      assert.equal(judge(RECEIVED + FIELDS, session), 'not');
    }
  });

  it('without a session on both sides, is likely that with its From, Subject and Date', () => {
    assert.equal(judge(FIELDS, 'a session'), 'likely', 'dovecot-lda');
    assert.equal(judge(RECEIVED + FIELDS), 'likely', 'an older script');
    assert.equal(judge(RECEIVED + FIELDS, ''), 'likely');
    for (const [name, fields] of Object.entries(OTHER)) {
      assert.equal(judge(FIELDS, 'a session', fields), 'not', name);
    }
  });

  it('may lack all of them', () => {
    const nothing = { from: undefined, subject: undefined, date: undefined } as object;
    assert.equal(judge('', undefined, nothing), 'likely');
    assert.equal(judge('', undefined, { ...nothing, date: 0 }), 'likely', '2.3 says 0');
    assert.equal(judge(FIELDS, undefined, nothing), 'not');
  });
});
