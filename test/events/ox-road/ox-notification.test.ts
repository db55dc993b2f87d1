import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Check } from 'typebox/value';
import { readTransaction } from '../../../src/events/event-schema.ts';
import {
  fromOxNotification,
  OxNotificationSchema,
} from '../../../src/events/ox-road/ox-notification.ts';

/** As 2.3.19.1 and 2.4.1 sent it. */
const SENT = JSON.parse(`{"user":"alice@example.org","event":"messageNew","folder":"INBOX",
  "imap-uidvalidity":4294967295,"imap-uid":7,"from":"=?utf-8?q?=C3=84?=\\n <alice@example.org>",
  "subject":"Test\\n =?utf-8?q?p=C3=A4iv=C3=A4=C3=A4?=","snippet":"Hello there","unseen":1}`) as {
  [field: string]: unknown;
};

describe('what the ox driver sends', () => {
  it('becomes one MessageNew, whose keywords and Message-ID are unknown', () => {
    assert.ok(Check(OxNotificationSchema, SENT));
    const transaction = fromOxNotification(SENT);
    assert.deepEqual(transaction, {
      user: 'alice@example.org',
      events: [
        {
          event: 'MessageNew',
          mailbox: 'INBOX',
          uid: 7,
          uidvalidity: 4_294_967_295,
          from: '=?utf-8?q?=C3=84?= <alice@example.org>',
          subject: 'Test päivää',
        },
      ],
    });
    assert.notEqual(typeof readTransaction(transaction), 'string');
  });

  it('may lack sender and subject, and be without a uid yet', () => {
    const { user, event, folder } = SENT;
    const bare = { user, event, folder, 'imap-uidvalidity': 1, 'imap-uid': 0 };
    assert.ok(Check(OxNotificationSchema, bare));
    assert.notEqual(typeof readTransaction(fromOxNotification(bare)), 'string');
  });

  for (const [what, change] of Object.entries({
    'another event': { event: 'messageRead' },
    'an empty user': { user: '' },
    'a uidvalidity below zero': { 'imap-uidvalidity': -1 },
    'a uid past 32 bits': { 'imap-uid': 4_294_967_296 },
    'no folder': { folder: undefined },
  })) {
    it(`is refused with ${what}`, () => {
      assert.ok(!Check(OxNotificationSchema, { ...SENT, ...change }));
    });
  }
});
