import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { CoiSettings } from '../../../src/coi/settings.ts';
import { createCompleteEvents } from '../../../src/events/ox-road/complete-events.ts';
import type { MessageNewEvent } from '../../../src/events/event-schema.ts';
import type { ListedMessage, MailboxQuery } from '../../../src/messages/list-messages.ts';
import { createLogger } from '../../../src/logging.ts';

const event = (uid: number, more: Partial<MessageNewEvent> = {}): MessageNewEvent => ({
  event: 'MessageNew',
  mailbox: 'INBOX',
  uidvalidity: 5,
  uid,
  ...more,
});
const stored = (uid: number, more: Partial<ListedMessage> = {}): ListedMessage => ({
  uid,
  keywords: [],
  received: 0,
  ...more,
});
const off: CoiSettings = { enabled: false, messageFilter: 'none' };

describe('events that do not say everything of their message', () => {
  let asked: MailboxQuery[];
  let inMailbox: ListedMessage[];
  let wantsPushes: boolean;
  let uidvalidity: number;
  beforeEach(() => {
    asked = [];
    inMailbox = [stored(7, { keywords: ['$Chat'], messageId: '<chat$7@example.org>' }), stored(8)];
    wantsPushes = true;
    uidvalidity = 5;
  });
  const complete = createCompleteEvents({
    locate: (_user, messages) =>
      Promise.resolve(
        messages.map(({ mailbox, subject }) =>
          subject === 'known' ? { mailbox, uid: 8, uidvalidity } : undefined,
        ),
      ),
    list: (_user, queries) => {
      asked.push(...queries);
      return Promise.resolve(
        queries.map(({ mailbox }) => ({ mailbox, uidvalidity, messages: inMailbox })),
      );
    },
    wantsPushes: () => Promise.resolve(wantsPushes),
    log: createLogger('silent'),
  });

  it('get keywords and Message-ID, with one question a mailbox', async () => {
    const events = await complete('alice', [event(7, { from: 'a@b' }), event(8)], off, 0);
    assert.deepEqual(events, [
      event(7, { from: 'a@b', keywords: ['$Chat'], message_id: '<chat$7@example.org>' }),
      event(8, { keywords: [] }),
    ]);
    assert.deepEqual(asked, [{ mailbox: 'INBOX', criteria: ['uid', '7,8'] }]);
  });

  it('are left alone when they say everything', async () => {
    const told = [event(7, { keywords: [] })];
    assert.deepEqual(await complete('alice', told, off, 0), told);
    assert.deepEqual(asked, []);
  });

  it('are left alone when nothing depends on them', async () => {
    wantsPushes = false;
    for (const settings of [off, { enabled: true, messageFilter: 'none' } as const]) {
      assert.deepEqual(await complete('alice', [event(7)], settings, 0), [event(7)]);
    }
    assert.deepEqual(asked, []);
  });

  it('are looked up for the filter’s sake, though nobody wants a push', async () => {
    wantsPushes = false;
    const [told] = await complete(
      'alice',
      [event(7)],
      { enabled: true, messageFilter: 'active' },
      0,
    );
    assert.deepEqual(told?.keywords, ['$Chat']);
  });

  it('are numbered where Dovecot has not done so', async () => {
    const events = [event(0, { subject: 'known' }), event(0, { subject: 'gone' })];
    assert.deepEqual(await complete('alice', events, off, 0), [
      event(8, { subject: 'known', keywords: [] }),
    ]);
  });

  it('are left out when their message is gone, or its mailbox another one', async () => {
    assert.deepEqual(await complete('alice', [event(9)], off, 0), []);
    uidvalidity = 6;
    assert.deepEqual(await complete('alice', [event(7)], off, 0), []);
  });
});
