import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, it } from 'node:test';
import type { Transaction } from '../../src/events/event-schema.ts';
import { createHeldTransactions } from '../../src/events/held-transactions.ts';
import { recordLog } from '../support/record-log.ts';
import { eventually } from '../support/start-stage.ts';

const transaction = (user: string): Transaction => ({
  user,
  events: [{ event: 'MailboxCreate', mailbox: 'COI/Chats' }],
});

function holding(capacity?: number) {
  const kept: string[] = [];
  const disk = { full: true };
  const recorded = recordLog();
  const held = createHeldTransactions({
    journal: {
      write: ({ user }) => {
        if (disk.full) return Promise.reject(new Error('disk full'));
        kept.push(user);
        return Promise.resolve();
      },
    },
    log: recorded.log,
    retryInterval: 10,
    ...(capacity !== undefined && { capacity }),
  });
  return { held, kept, disk, said: (level: string) => recorded.said(level) };
}

describe('transactions that the journal does not take', () => {
  it('are kept in their order as soon as it takes them', async () => {
    const { held, kept, disk, said } = holding();
    for (const user of ['a', 'b', 'c']) held.hold(transaction(user));
    await sleep(50);
    assert.equal(kept.length, 0);
    disk.full = false;
    await eventually(() => {
      assert.deepEqual(kept, ['a', 'b', 'c']);
    });
    assert.equal(said('error').length, 1, 'said once');
    held.hold(transaction('d'));
    await eventually(() => {
      assert.equal(kept.at(-1), 'd');
    });
    await held.stop();
    assert.equal(kept.length, 4);
  });

  it('are tried once more at the end, and then said to be lost', async () => {
    const saved = holding();
    saved.held.hold(transaction('a'));
    saved.disk.full = false;
    await saved.held.stop();
    assert.deepEqual(saved.kept, ['a']);

    const lost = holding();
    lost.held.hold(transaction('a'));
    await lost.held.stop();
    assert.match(lost.said('error').join(), /are lost/);
  });

  it('are not tried after the end, though a try was under way', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    let tries = 0;
    const held = createHeldTransactions({
      journal: {
        write: async () => {
          tries += 1;
          await promise;
          throw new Error('disk full');
        },
      },
      log: recordLog().log,
      retryInterval: 10,
    });
    held.hold(transaction('a'));
    await eventually(() => assert.equal(tries, 1));
    const stopped = held.stop();
    resolve(undefined);
    await stopped;
    assert.equal(tries, 2);
    await sleep(50);
    assert.equal(tries, 2);
  });

  it('take no more memory than they may: the oldest are given up', async () => {
    const size = 2 * JSON.stringify(transaction('a')).length;
    const { held, kept, disk, said } = holding(2 * size);
    for (const user of ['a', 'b', 'c']) held.hold(transaction(user));
    assert.match(said('error').join(), /the oldest is given up/);
    disk.full = false;
    await held.stop();
    assert.deepEqual(kept, ['b', 'c']);
  });
});
