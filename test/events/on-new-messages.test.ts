import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { MessageNewEvent } from '../../src/events/event-schema.ts';
import { createOnNewMessages } from '../../src/events/on-new-messages.ts';
import { createLogger } from '../../src/logging.ts';
import { createRecentMessages, type RecentMessages } from '../../src/messages/recent-messages.ts';
import type { NewPush } from '../../src/stores/outbox-store.ts';

const USER = 'alice@example.org';
const resource = { endpoint: 'https://push.example.net/1', keys: { p256dh: '', auth: '' } };

describe('the pushes of messages that were delivered one after the other', () => {
  let owed: string[];
  let recent: RecentMessages;
  /** How the fetch of each uid is to end. */
  let fetches: Map<number, PromiseWithResolvers<Map<number, Buffer>>>;
  beforeEach(() => {
    owed = [];
    fetches = new Map();
    recent = createRecentMessages({ capacity: 1_048_576 });
  });

  const onNewMessages = createOnNewMessages({
    recent: {
      keep: () => undefined,
      find: (...args) => recent.find(...args),
      peek: () => undefined,
      forget: () => undefined,
    },
    fetch: (_user, _mailbox, [uid = 0]) => {
      const fetch = Promise.withResolvers<Map<number, Buffer>>();
      fetches.set(uid, fetch);
      return fetch.promise;
    },
    locate: () => assert.fail('all places are known'),
    targets: () => Promise.resolve([{ id: 's', resource }]),
    payload: (message) => message?.toString() ?? 'without content',
    enqueue: (pushes: readonly NewPush[]) => {
      owed.push(...pushes.map(({ payload }) => payload));
      return Promise.resolve();
    },
    ttl: 60_000,
    log: createLogger('silent'),
  });
  const deliver = (uid: number, changes: Partial<MessageNewEvent> = {}, user = USER) => {
    const place = { mailbox: 'INBOX', uid, uidvalidity: 1 };
    const event: MessageNewEvent = { event: 'MessageNew', ...place, keywords: [], ...changes };
    return onNewMessages(user, [{ event, place }], { session: undefined, receivedAt: 0 });
  };
  const fetched = (uid: number): void =>
    fetches.get(uid)?.resolve(new Map([[uid, Buffer.from(`message ${uid}`)]]));
  /** Until all deliveries so far wait for their messages. */
  const settle = () => new Promise((resolve) => setImmediate(resolve));

  it('go in that order, whichever message is fetched first', async () => {
    const deliveries = [deliver(1), deliver(2), deliver(3)];
    await settle();
    assert.equal(fetches.size, 3, 'none waits for another');
    for (const uid of [3, 2, 1]) fetched(uid);
    await Promise.all(deliveries);
    assert.deepEqual(owed, ['message 1', 'message 2', 'message 3']);
  });

  it('wait neither for one that cannot be fetched, nor for those of others', async () => {
    const [first, second, theirs] = [deliver(1), deliver(2), deliver(3, {}, 'bob@example.org')];
    await settle();
    fetched(3);
    await theirs;
    fetched(2);
    fetches.get(1)?.reject(new Error('Dovecot does not answer'));
    await assert.rejects(first, /does not answer/);
    await second;
    assert.deepEqual(owed, ['message 3', 'message 2']);
  });

  it('go at once where the message passed by', async () => {
    const waiting = deliver(1);
    await settle();
    recent.keep(USER, 'chat$2@example.org', Buffer.from('From: a@b\r\n\r\nHi'));
    await deliver(2, { message_id: '<chat$2@example.org>', from: 'a@b' });
    assert.equal(owed.length, 1);
    fetched(1);
    await waiting;
    assert.equal(owed[1], 'message 1');
  });
});
