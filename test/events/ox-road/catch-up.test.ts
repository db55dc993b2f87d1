import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { folderNames } from '../../../src/coi/folders.ts';
import { DoveadmCommandError, EXIT_CODES } from '../../../src/dovecot/doveadm-client.ts';
import { UnavailableError } from '../../../src/errors.ts';
import { createCatchUp } from '../../../src/events/ox-road/catch-up.ts';
import { readTransaction, type Transaction } from '../../../src/events/event-schema.ts';
import type { MailboxQuery } from '../../../src/messages/list-messages.ts';
import { recordLog } from '../../support/record-log.ts';

const SINCE = 1_700_000_000_900;
const noUserDatabase = (): Error =>
  new DoveadmCommandError(
    { name: 'mailboxStatus', parameters: {} },
    'exitCode',
    EXIT_CODES.temporaryFailure,
  );

describe('mail that came while the service was away and nobody kept its events', () => {
  let asked: (MailboxQuery & { user: string })[];
  let failures: Error[];
  let refuse: (user: string) => Error | undefined;
  let listingFailures: Error[];
  let spooled: Transaction[];
  beforeEach(() => {
    asked = [];
    failures = [];
    refuse = () => undefined;
    listingFailures = [];
    spooled = [];
  });

  /** `coi` has COI enabled, `sub` a subscription, `none` neither. */
  function start(users: readonly string[]) {
    const recorded = recordLog();
    const catchUp = createCatchUp({
      // eslint-disable-next-line @typescript-eslint/require-await -- as stores list them
      users: async function* () {
        yield* users.slice(0, 1);
        const failure = listingFailures.shift();
        if (failure !== undefined) throw failure;
        yield* users.slice(1);
      },
      settings: (user) =>
        Promise.resolve({ enabled: user.startsWith('coi'), messageFilter: 'active' }),
      wantsPushes: (user) => Promise.resolve(user.startsWith('sub')),
      list: (user, queries) => {
        const failure = failures.shift() ?? refuse(user);
        if (failure !== undefined) return Promise.reject(failure);
        asked.push(...queries.map((query) => ({ user, ...query })));
        return Promise.resolve(
          queries.map(({ mailbox }) => ({
            mailbox,
            uidvalidity: 5,
            messages:
              user === 'coi-1' && mailbox === 'INBOX'
                ? [
                    { uid: 3, keywords: ['$Chat'], messageId: '<c@d>', received: 1_700_000_001 },
                    { uid: 4, keywords: [], received: 1_700_000_002 },
                  ]
                : [],
          })),
        );
      },
      folders: folderNames('COI', '/'),
      keep: (transaction) => {
        spooled.push(transaction);
        return Promise.resolve();
      },
      log: recorded.log,
      pause: 1,
    });
    return { catchUp, recorded };
  }

  it('is looked for in the mailboxes of those who have COI or a subscription', async () => {
    const { catchUp, recorded } = start(['coi-1', 'sub-1', 'none-1']);
    await catchUp.run(SINCE);
    const criteria = ['savedsince', '1699999995', 'since', '1699999995', 'unseen'];
    assert.deepEqual(
      asked.toSorted((a, b) => (a.user + a.mailbox < b.user + b.mailbox ? -1 : 1)),
      [
        { user: 'coi-1', mailbox: 'COI/Chats', criteria },
        { user: 'coi-1', mailbox: 'INBOX', criteria },
        { user: 'sub-1', mailbox: 'INBOX', criteria },
      ],
    );
    const [line] = recorded.lines;
    assert.deepEqual([line?.level, line?.['users'], line?.['messages']], ['info', 2, 2]);
  });

  it('is owed as if it had been spooled, with the time of its delivery', async () => {
    await start(['coi-1']).catchUp.run(SINCE);
    const place = { event: 'MessageNew', mailbox: 'INBOX', uidvalidity: 5 };
    assert.deepEqual(spooled, [
      {
        user: 'coi-1',
        events: [
          {
            ...place,
            uid: 3,
            keywords: ['$Chat'],
            message_id: '<c@d>',
            received: 1_700_000_001,
          },
          { ...place, uid: 4, keywords: [], received: 1_700_000_002 },
        ],
      },
    ]);
    assert.notEqual(typeof readTransaction(spooled[0]), 'string');
  });

  it('is found although Dovecot comes later', async () => {
    failures = [new UnavailableError('nobody there'), new UnavailableError('nobody there')];
    await start(['coi-1', 'coi-2']).catchUp.run(SINCE);
    assert.equal(spooled.length, 1);
    assert.equal(asked.length, 4);
  });

  it('is found although Dovecot’s user database comes later', async () => {
    failures = Array.from({ length: 5 }, noUserDatabase);
    const { catchUp, recorded } = start(['coi-1']);
    await catchUp.run(SINCE);
    assert.equal(spooled.length, 1);
    assert.equal(recorded.said('warn').length, 5);
  });

  it('is found although looking at one user’s mail fails for now, and for good', async () => {
    const { catchUp, recorded } = start(['coi-2', 'coi-1']);
    refuse = (user) => (user === 'coi-2' ? noUserDatabase() : undefined);
    await catchUp.run(SINCE);
    assert.equal(spooled.length, 1);
    assert.match(recorded.said('warn').at(-1) ?? '', /nobody was here$/);
  });

  it('is found although the store lists its users later', async () => {
    listingFailures = [new UnavailableError('Redis does not answer')];
    await start(['coi-2', 'coi-1']).catchUp.run(SINCE);
    assert.equal(spooled.length, 1);
    assert.equal(asked.length, 4);
  });

  it('is found although Dovecot refuses to look at one user’s mail', async () => {
    failures = [new Error('no such user')];
    const { catchUp, recorded } = start(['coi-2', 'coi-1']);
    await catchUp.run(SINCE);
    assert.equal(spooled.length, 1);
    assert.equal(recorded.said('warn').length, 1);
  });

  it('is left for the next start when the service ends before', async () => {
    failures = Array.from({ length: 100_000 }, () => new UnavailableError('nobody there'));
    const { catchUp, recorded } = start(['coi-1']);
    const run = catchUp.run(SINCE);
    await catchUp.stop();
    await run;
    assert.deepEqual(recorded.said('info'), []);
  });
});
