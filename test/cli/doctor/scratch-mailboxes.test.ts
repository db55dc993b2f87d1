import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openScratchMailboxes } from '../../../src/cli/doctor/trip/scratch-mailboxes.ts';
import type { DoveadmClient } from '../../../src/dovecot/doveadm-client.ts';

const ID = '<chat$1@example.org>';

/**
 * A Dovecot whose full text search does not find that Message-ID, as fts_xapian of Debian 12 does not. A
 * stand-in: that plugin is none of the packages that the tests need.
 */
const withBlindSearch: Pick<DoveadmClient, 'run'> = {
  run: ({ name, parameters }) => {
    if (name === 'mailboxStatus') {
      return Promise.resolve([
        { mailbox: 'INBOX', uidnext: '4' },
        { mailbox: 'COI/Chats', uidnext: '2' },
        { mailbox: 'Sent', uidnext: '9' },
      ]);
    }
    const query = (parameters as { query: string[] }).query.join(' ');
    assert.doesNotMatch(query, /header|text|body/, 'nothing is searched for');
    const rows: Record<string, { uid: string; flags: string; 'hdr.message-id': string }[]> = {
      'mailbox INBOX uid 3:*': [{ uid: '3', flags: '', 'hdr.message-id': '<other@example.org>' }],
      'mailbox COI/Chats uid 1:*': [{ uid: '1', flags: '\\Seen $Chat', 'hdr.message-id': ID }],
    };
    return Promise.resolve(rows[query] ?? assert.fail(query));
  },
};

describe('a scratch user’s mailboxes', () => {
  it('show a message that came, whatever full text search makes of its Message-ID', async () => {
    const mailboxes = openScratchMailboxes(withBlindSearch as DoveadmClient, 'bob');
    const since = new Map([
      ['INBOX', 3],
      ['Sent', 9],
    ]);
    assert.deepEqual(await mailboxes.find(ID, since), [
      { mailbox: 'COI/Chats', uid: '1', flags: ['\\Seen', '$Chat'] },
    ]);
  });
});
