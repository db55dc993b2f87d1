import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MessageNewEvent } from '../../src/events/event-schema.ts';
import { trimFields } from '../../src/events/trim-fields.ts';
import { MAX_REPORTED_CHARS } from '../../src/messages/limits.ts';

const PLACE = { event: 'MessageNew', mailbox: 'INBOX', uid: 1, uidvalidity: 1 } as const;

describe('fields that Dovecot reports', () => {
  it('MAX_REPORTED_CHARS: one of that length is whole, a longer one is cut', () => {
    const whole = 'x'.repeat(MAX_REPORTED_CHARS);
    for (const name of ['message_id', 'from', 'subject'] as const) {
      const event: MessageNewEvent = { ...PLACE, [name]: whole };
      assert.equal(trimFields(event), event);
      assert.deepEqual(trimFields({ ...event, [name]: `${whole}y` }), event);
    }
  });

  it('the cut does not go through a surrogate pair, which no search could find', () => {
    const start = 'x'.repeat(MAX_REPORTED_CHARS - 1);
    assert.equal(trimFields({ ...PLACE, subject: `${start}🙂` }).subject, start);
  });

  it('an event without any of them stays as it is', () => {
    assert.deepEqual(trimFields({ ...PLACE, keywords: ['$Chat'] }), {
      ...PLACE,
      keywords: ['$Chat'],
    });
  });
});
