import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MAX_FOLDER_OCTETS } from '../../../src/webpush/payload/payload.ts';
import { findTopic } from '../../../src/webpush/request/find-topic.ts';

const ids = { uid: 7, uidvalidity: 123, folder: 'COI/Chats' };
const topicOf = (payload: unknown, secret = 'secret'): string | undefined =>
  findTopic(JSON.stringify(payload), secret);

describe('the topic of a push', () => {
  it('is there for one that says only where a message is, and fit for a header', () => {
    for (const payload of [
      ids,
      { uid: 7, uidvalidity: 123 },
      {
        ...ids,
        uid: 4_294_967_295,
        uidvalidity: 4_294_967_295,
        folder: 'f'.repeat(MAX_FOLDER_OCTETS),
      },
    ]) {
      assert.match(topicOf(payload) ?? '', /^[\w-]{32}$/);
    }
  });

  it('is the same for whatever comes to the same mailbox of the same subscription', () => {
    assert.equal(topicOf({ ...ids, uid: 8 }), topicOf(ids));
    for (const [payload, secret] of [
      [{ ...ids, folder: 'INBOX' }, 'secret'],
      [{ ...ids, uidvalidity: 124 }, 'secret'],
      [{ uid: 7, uidvalidity: 123 }, 'secret'],
      [ids, 'another secret'],
    ] as const) {
      assert.notEqual(topicOf(payload, secret), topicOf(ids));
    }
  });

  for (const payload of [
    { ...ids, subject: 's' },
    { ...ids, content: 'x' },
    { ...ids, 'msg-id': 'a@b' },
    { validation: 'abc$123' },
    { folder: 'INBOX' },
    [7],
    null,
  ]) {
    it(`is not there for ${JSON.stringify(payload)}`, () => {
      assert.equal(topicOf(payload), undefined);
    });
  }
});
