import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Transaction } from '../../src/events/event-schema.ts';
import { takeOverJournal } from '../../src/events/take-over-journal.ts';
import type { JournalEntry } from '../../src/stores/event-journal.ts';

const transaction = (uid: number, received?: number): Transaction => ({
  user: 'alice',
  events: [
    {
      ...{ event: 'MessageNew', mailbox: 'INBOX', uid, uidvalidity: 1 },
      ...(received !== undefined && { received }),
    },
  ],
});
const entry = (id: number, one: Transaction): JournalEntry => ({
  ...{ id, user: 'alice', transaction: JSON.stringify(one), receivedAt: 1_700_000_000_900 },
});

describe('what an earlier process left in the journal', () => {
  it('goes to the spool with the time of its delivery, and out of the journal', async () => {
    const spooled: Transaction[] = [];
    const forgotten: number[] = [];
    const count = await takeOverJournal({
      journal: {
        kept: () => Promise.resolve([entry(3, transaction(1)), entry(4, transaction(2, 5))]),
        forget: (id) => forgotten.push(id),
      },
      spool: {
        write: (one) => {
          spooled.push(one);
          return Promise.resolve();
        },
      },
      hold: () => assert.fail('the spool takes it'),
    });
    assert.equal(count, 2);
    assert.deepEqual(spooled, [transaction(1, 1_700_000_000), transaction(2, 5)]);
    assert.deepEqual(forgotten, [3, 4]);
  });

  it('stays in the journal, and in memory, while the spool does not take it', async () => {
    const held: Transaction[] = [];
    await takeOverJournal({
      journal: {
        kept: () => Promise.resolve([entry(3, transaction(1))]),
        forget: () => assert.fail('it is nowhere else'),
      },
      spool: { write: () => Promise.reject(new Error('no such directory')) },
      hold: (one) => held.push(one),
    });
    assert.deepEqual(held, [transaction(1, 1_700_000_000)]);
  });
});
