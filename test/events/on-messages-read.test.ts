import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CoiSettings } from '../../src/coi/settings.ts';
import type { DovecotEvent } from '../../src/events/event-schema.ts';
import type { ChatMove } from '../../src/events/move-chat-messages.ts';
import { onMessagesRead } from '../../src/events/on-messages-read.ts';

const read = (uid: number, mailbox = 'INBOX') => ({
  event: 'MessageRead' as const,
  mailbox,
  uid,
  uidvalidity: 1,
});
const cleared = (uid: number, keywords: string[], replaced?: boolean): DovecotEvent => ({
  event: 'FlagsClear',
  mailbox: 'INBOX',
  uid,
  uidvalidity: 1,
  keywords,
  ...(replaced !== undefined && { replaced }),
});
const seen: CoiSettings = { enabled: true, messageFilter: 'seen' };
const active: CoiSettings = { enabled: true, messageFilter: 'active' };
const holding = (chat: boolean) => ({
  mayBeThere: () => Promise.resolve(chat),
  noteDelivered: () => undefined,
});

describe('seen: messages stay in the INBOX folder until they are flagged with \\Seen flag', () => {
  const table: [
    name: string,
    events: DovecotEvent[],
    settings: CoiSettings,
    move?: Omit<ChatMove, 'user'>,
  ][] = [
    [
      'moves all of one transaction together',
      [read(3), read(5)],
      seen,
      { uids: [3, 5], restoreKeyword: [] },
    ],
    ['leaves other mailboxes alone', [read(3, 'COI/Chats')], seen],
    ['knows INBOX in any case', [read(3, 'inbox')], seen, { uids: [3], restoreKeyword: [] }],
    [
      'restores $Chat when a replacing STORE took it away',
      [read(3), cleared(3, ['$chat'])],
      seen,
      { uids: [3], restoreKeyword: [3] },
    ],
    ['leaves $Chat away when the user took only that away', [cleared(3, ['$Chat'])], seen],
    [
      'restores $Chat when a STORE of other flags took it away, whenever it is read',
      [cleared(3, ['$Chat'], true), cleared(3, ['$Chat'], true)],
      seen,
      { uids: [], restoreKeyword: [3] },
    ],
    [
      'restores it under none as well, where nothing is moved',
      [read(4), cleared(3, ['$Chat'], true)],
      { enabled: true, messageFilter: 'none' },
      { uids: [], restoreKeyword: [3] },
    ],
    [
      'does not mix up messages',
      [read(4), cleared(3, ['$Chat'])],
      seen,
      { uids: [4], restoreKeyword: [] },
    ],
    [
      'ignores other keywords',
      [read(3), cleared(3, ['$Junk'])],
      seen,
      { uids: [3], restoreKeyword: [] },
    ],
    [
      'moves what has waited since before the filter became active',
      [read(3)],
      active,
      { uids: [3], restoreKeyword: [] },
    ],
    [
      'moves what somebody else has read if the user sees that it was',
      [{ ...read(3), shared: true }],
      seen,
      { uids: [3], restoreKeyword: [], seenOnly: true },
    ],
    ['does nothing under none', [read(3)], { enabled: true, messageFilter: 'none' }],
    ['does nothing when COI is disabled', [read(3)], { enabled: false, messageFilter: 'seen' }],
  ];
  for (const [name, events, settings, expected] of table) {
    it(name, async () => {
      const moves: ChatMove[] = [];
      const move = (one: ChatMove): Promise<void> => Promise.resolve(void moves.push(one));
      await onMessagesRead('alice', events, settings, { move, inboxChat: holding(true) });
      assert.deepEqual(moves, expected === undefined ? [] : [{ user: 'alice', ...expected }]);
    });
  }

  it('does nothing under active when INBOX holds no chat', async () => {
    const move = (): never => assert.fail('moved');
    await onMessagesRead('alice', [read(3)], active, { move, inboxChat: holding(false) });
  });

  it('asks for what others read only where INBOX holds chat', async () => {
    const move = (): never => assert.fail('moved');
    const events = [{ ...read(3), shared: true }];
    await onMessagesRead('alice', events, seen, { move, inboxChat: holding(false) });
  });

  it('moves under active what has just lost $Chat, by which Dovecot would not find it', async () => {
    const moves: ChatMove[] = [];
    const move = (one: ChatMove): Promise<void> => Promise.resolve(void moves.push(one));
    const events = [read(3), cleared(3, ['$Chat'])];
    await onMessagesRead('alice', events, active, { move, inboxChat: holding(false) });
    assert.deepEqual(moves, [{ user: 'alice', uids: [3], restoreKeyword: [3] }]);
  });
});
