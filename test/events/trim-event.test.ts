import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MessageNewEvent } from '../../src/events/event-schema.ts';
import { MAX_KEYWORDS, trimEvent } from '../../src/events/trim-event.ts';
import { MAX_FROM_OCTETS, MAX_REPORTED_CHARS } from '../../src/messages/limits.ts';

const PLACE = { event: 'MessageNew', mailbox: 'INBOX', uid: 1, uidvalidity: 1 } as const;

describe('fields that Dovecot reports', () => {
  it('MAX_REPORTED_CHARS: one of that length is whole, a longer one is cut', () => {
    const whole = 'x'.repeat(MAX_REPORTED_CHARS);
    for (const name of ['message_id', 'subject'] as const) {
      const event: MessageNewEvent = { ...PLACE, [name]: whole };
      assert.equal(trimEvent(event), event);
      assert.deepEqual(trimEvent({ ...event, [name]: `${whole}y` }), event);
    }
  });

  it('MAX_FROM_OCTETS: a longer From field is still seen to be longer', () => {
    const from = 'x'.repeat(MAX_FROM_OCTETS + 1);
    assert.equal(trimEvent({ ...PLACE, from }).from, from);
    assert.equal(trimEvent({ ...PLACE, from: `${from}y` }).from, from);
  });

  it('the cut does not go through a surrogate pair, which no search could find', () => {
    const start = 'x'.repeat(MAX_REPORTED_CHARS - 1);
    assert.equal(trimEvent({ ...PLACE, subject: `${start}🙂` }).subject, start);
  });

  it('MAX_KEYWORDS: that many are kept, and $Chat wherever it stands', () => {
    const keywords = Array.from({ length: MAX_KEYWORDS }, (_, number) => `k${number}`);
    const event: MessageNewEvent = { ...PLACE, keywords };
    assert.equal(trimEvent(event), event);
    assert.deepEqual(trimEvent({ ...PLACE, keywords: [...keywords, 'more'] }).keywords, keywords);
    const chat = trimEvent({ ...PLACE, keywords: [...keywords, '$chat', '$Chat'] }).keywords;
    assert.deepEqual(chat, ['$chat', ...keywords.slice(0, -1)]);
    const cleared = { ...PLACE, event: 'FlagsClear', keywords: [...keywords, '$Chat'] } as const;
    assert.equal(trimEvent({ ...cleared, keywords: [...cleared.keywords] }).keywords[0], '$Chat');
  });

  it('an event without any of them stays as it is', () => {
    assert.deepEqual(trimEvent({ ...PLACE, keywords: ['$Chat'] }), {
      ...PLACE,
      keywords: ['$Chat'],
    });
  });

  it('what an event has besides is nobody’s business, whatever it is', () => {
    for (const keywords of ['x'.repeat(2_000), 9e15, null, [1]]) {
      const event = { event: 'MailboxDelete' as const, mailbox: 'Trash', keywords };
      assert.equal(trimEvent(event), event);
    }
  });
});
