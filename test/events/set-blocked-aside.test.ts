import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createFolders, folderNames } from '../../src/coi/folders.ts';
import { createOwnOperations } from '../../src/coi/own-operations.ts';
import {
  DoveadmCommandError,
  EXIT_CODES,
  type DoveadmClient,
  type DoveadmCommand,
} from '../../src/dovecot/doveadm-client.ts';
import type { MessageNewEvent } from '../../src/events/event-schema.ts';
import { createSetBlockedAside } from '../../src/events/set-blocked-aside.ts';

const EVE = 'Eve <eve@example.org>';
const BOB = 'Bob <bob@example.org>';

const delivered = (uid: number, from: string, mailbox = 'INBOX'): MessageNewEvent => ({
  ...{ event: 'MessageNew', mailbox, uid, uidvalidity: uid === 0 ? 0 : 1, from, keywords: [] },
});

/** Milliseconds since the epoch. */
const RECEIVED = 5;

/**
 * What is stored, by uid, as a stand-in for Dovecot, so that what has happened since can be had at will;
 * with the real one: test/e2e/blocked-contacts.test.ts.
 */
function setUp(
  stored: Record<string, string>,
  options: { mayBlock?: boolean; gone?: boolean } = {},
) {
  const asked: DoveadmCommand[] = [];
  const moved: string[] = [];
  const counts: number[] = [];
  const runAll = (commands: readonly DoveadmCommand[]) => {
    asked.push(...commands);
    return Promise.resolve(
      commands.map((command) => {
        const { name, parameters } = command;
        const query = (parameters['query'] ?? []) as string[];
        if (name === 'move')
          moved.push(`${query.join(' ')} to ${String(parameters['destinationMailbox'])}`);
        if (name === 'mailboxStatus') return [{ mailbox: 'Blocked' }];
        if (options.gone) return new DoveadmCommandError(command, 'exitCode', EXIT_CODES.notFound);
        const uids = query.at(-1)?.split(',') ?? [];
        return uids.flatMap((uid) => {
          const from = stored[uid];
          return from === undefined ? [] : [{ uid, 'hdr.from': from }];
        });
      }),
    );
  };
  const doveadm = { runAll } as unknown as DoveadmClient;
  const setAside = createSetBlockedAside({
    blockedContacts: {
      mayBlock: () => options.mayBlock ?? true,
      isBlocked: (_user, from) => Promise.resolve(from.some((one) => one.includes('eve@'))),
    },
    folders: createFolders(doveadm, folderNames('COI', '/'), createOwnOperations()),
    doveadm,
    runMoves: (_user, commands) => runAll(commands),
    locate: (_user, messages, since) => {
      assert.equal(since, RECEIVED);
      return Promise.resolve(messages.map(({ mailbox }) => ({ mailbox, uid: 9, uidvalidity: 1 })));
    },
    onMoved: (count) => counts.push(count),
  });
  return {
    setAside: (events: readonly MessageNewEvent[]) => setAside('alice', events, RECEIVED),
    ...{ asked, moved, counts },
  };
}

describe('messages of blocked contacts, once they are delivered', () => {
  it('are moved, those of others are not', async () => {
    const { setAside, moved, counts } = setUp({ 1: EVE, 2: BOB, 3: EVE });
    const events = [delivered(1, EVE), delivered(2, BOB), delivered(3, EVE)];
    assert.deepEqual([...(await setAside(events))], [events[0], events[2]]);
    assert.deepEqual(moved, ['mailbox INBOX uid 1,3 to Blocked']);
    assert.deepEqual(counts, [2]);
  });

  it('are not looked for where nobody is blocked: Dovecot is not asked', async () => {
    const { setAside, asked } = setUp({ 1: EVE }, { mayBlock: false });
    assert.equal((await setAside([delivered(1, EVE)])).size, 0);
    assert.deepEqual(asked, []);
  });

  it('that are in Blocked stay, in the place of before as well', async () => {
    const { setAside, asked } = setUp({});
    const events = [delivered(1, EVE, 'Blocked'), delivered(1, EVE, 'COI/Blocked')];
    assert.equal((await setAside(events)).size, 2);
    assert.deepEqual(asked, []);
  });

  it('are looked up where Dovecot had not numbered them yet', async () => {
    const { setAside, moved } = setUp({ 9: EVE });
    await setAside([delivered(0, EVE)]);
    assert.deepEqual(moved, ['mailbox INBOX uid 9 to Blocked']);
  });

  for (const [what, stored, options] of [
    ['another message has the uid', { 1: BOB }, {}],
    ['it was moved by an earlier try', {}, {}],
    ['the mailbox is gone', {}, { gone: true }],
  ] as const) {
    it(`are not pushed, and nothing else is moved: ${what}`, async () => {
      const { setAside, moved, counts } = setUp(stored, options);
      assert.equal((await setAside([delivered(1, EVE)])).size, 1);
      assert.deepEqual([moved, counts], [[], []]);
    });
  }
});
