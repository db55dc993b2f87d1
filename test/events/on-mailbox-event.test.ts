import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { folderNames } from '../../src/coi/folders.ts';
import type { MailboxEvent } from '../../src/events/event-schema.ts';
import { judgeMailboxEvent, type MailboxVerdict } from '../../src/events/on-mailbox-event.ts';

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
