import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { folderNames } from '../../src/coi/folders.ts';
import type { MailboxEvent } from '../../src/events/event-schema.ts';
import {
  judgeMailboxEvent,
  readAlias,
  type MailboxVerdict,
} from '../../src/events/on-mailbox-event.ts';

const rules = { folders: folderNames('COI', '/'), separator: '/', trash: ['Trash', 'Bin/Old'] };
const create = (mailbox: string): MailboxEvent => ({ event: 'MailboxCreate', mailbox });
const remove = (mailbox: string): MailboxEvent => ({ event: 'MailboxDelete', mailbox });
const rename = (mailbox_old: string, mailbox: string): MailboxEvent => ({
  event: 'MailboxRename',
  mailbox,
  mailbox_old,
});
const undo = (from: string, to: string): MailboxVerdict => ({ undo: { from, to } });

describe('indirectly disabling and enabling COI', () => {
  const table: [name: string, event: MailboxEvent, verdict: MailboxVerdict][] = [
    ['creating Chats', create('COI/Chats'), 'enable'],
    ['creating the root', create('COI'), 'unrelated'],
    ['creating Contacts', create('COI/Contacts'), 'unrelated'],
    ['creating something below Chats', create('COI/Chats/Old'), 'unrelated'],
    ['creating a name that only begins like Chats', create('COI/Chats2'), 'unrelated'],
    ['creating Chats elsewhere', create('Work/Chats'), 'unrelated'],
    ['deleting Chats', remove('COI/Chats'), 'disable'],
    ['deleting Contacts', remove('COI/Contacts'), 'unrelated'],
    ['renaming something to Chats', rename('Old', 'COI/Chats'), 'enable'],
    ['renaming a parent so that Chats appears', rename('Old', 'COI'), 'enable'],
    ['moving Chats under the trash', rename('COI/Chats', 'Trash/Chats'), 'disable'],
    ['renaming Chats to the trash itself', rename('COI/Chats', 'Trash'), 'disable'],
    [
      'moving Chats under a trash with another name',
      rename('COI/Chats', 'Bin/Old/Chats'),
      'disable',
    ],
    ['moving the root under the trash', rename('COI', 'Trash/COI'), 'disable'],
    ['renaming Chats elsewhere', rename('COI/Chats', 'Chats'), undo('Chats', 'COI/Chats')],
    [
      'renaming Chats to something like the trash',
      rename('COI/Chats', 'Trash2'),
      undo('Trash2', 'COI/Chats'),
    ],
    ['renaming the root', rename('COI', 'Talk'), undo('Talk', 'COI')],
    ['renaming another mailbox', rename('Work', 'Play'), 'unrelated'],
    ['renaming what is below Chats', rename('COI/Chats/A', 'COI/Chats/B'), 'unrelated'],
  ];
  for (const [name, event, verdict] of table) {
    const said = typeof verdict === 'string' ? verdict : 'undo';
    it(`${name}: ${said}`, () => assert.deepEqual(judgeMailboxEvent(event, rules), verdict));
  }
});

describe('events that may tell of Chats by a name in another namespace', () => {
  const prefixed = {
    folders: folderNames('INBOX.COI', '.'),
    separator: '.',
    trash: ['INBOX.Trash'],
  };
  for (const [said, meant, chats, given = rules] of [
    [remove('old/COI/Chats'), remove('COI/Chats'), 'old/COI/Chats'],
    [rename('old/COI/Chats', 'old/X'), rename('COI/Chats', 'X'), 'old/COI/Chats'],
    [rename('old/COI', 'old/X'), rename('COI', 'X'), 'old/COI/Chats'],
    [rename('old/X', 'old/COI'), rename('X', 'COI'), 'old/COI/Chats'],
    [create('COI.Chats'), create('INBOX.COI.Chats'), 'COI.Chats', prefixed],
    [rename('COI.Chats', 'X'), rename('INBOX.COI.Chats', 'INBOX.X'), 'COI.Chats', prefixed],
  ] as const) {
    it(JSON.stringify(said), () =>
      assert.deepEqual(readAlias(said, given), { event: meant, chats }),
    );
  }

  for (const other of [remove('Chats'), remove('MyCOI/Chats'), create('COI/Chats/Old')]) {
    it(`not ${JSON.stringify(other)}`, () => assert.equal(readAlias(other, rules), undefined));
  }
});
