import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MessageFilter } from '../../src/coi/settings.ts';
import { DoveadmCommandError } from '../../src/dovecot/doveadm-client.ts';
import { UnavailableError } from '../../src/errors.ts';
import type { FileLate } from '../../src/events/file-late.ts';
import { createHandleTransaction } from '../../src/events/handle-transaction.ts';

const CHATS = { mailbox: 'COI/Chats', uid: 7, uidvalidity: 2 };

/** Handles the delivery of a chat message to INBOX; under `active` Sieve could not file it. */
async function handleLate(
  fileLate: FileLate,
  messageFilter: MessageFilter = 'active',
  flags: { seen?: boolean } = {},
): Promise<{ pushed: string[]; error: unknown }> {
  const pushed: string[] = [];
  let noted = 0;
  const handle = createHandleTransaction({
    settings: () => Promise.resolve({ enabled: true, messageFilter }),
    move: () => Promise.resolve(),
    inboxChat: {
      mayBeThere: () => Promise.resolve(false),
      noteDelivered: () => void (noted += 1),
    },
    complete: (_user, events) => Promise.resolve([...events]),
    markChat: (_user, events) => Promise.resolve(events),
    setBlockedAside: () => Promise.resolve(new Set()),
    onContactsChanged: () => undefined,
    fileLate,
    onNewMessages: (_user, deliveries) => {
      pushed.push(...deliveries.map(({ place }) => `${place.mailbox} ${place.uid}`));
      return Promise.resolve();
    },
    isOwn: () => false,
    onMailboxEvent: () => Promise.resolve(),
  });
  const event = { event: 'MessageNew', mailbox: 'INBOX', uid: 3, uidvalidity: 1 } as const;
  const transaction = { user: 'alice', events: [{ ...event, keywords: ['$Chat'], ...flags }] };
  const error = await handle(transaction, 0).catch((thrown: unknown) => thrown);
  assert.equal(noted, 1);
  return { pushed, error };
}

describe('chat that has to be filed late', () => {
  const filed: FileLate = (_user, events) => Promise.resolve(new Map([[events[0]!, CHATS]]));

  it('is pushed from where it is then', async () => {
    assert.deepEqual(await handleLate(filed), { pushed: ['COI/Chats 7'], error: undefined });
  });

  for (const [filter, seen, place] of [
    ['seen', true, 'COI/Chats 7'],
    ['seen', false, 'INBOX 3'],
    ['none', true, 'INBOX 3'],
  ] as const) {
    it(`under ${filter}, ${seen ? 'with' : 'without'} \\Seen from a Sieve script: pushed from ${place}`, async () => {
      assert.deepEqual((await handleLate(filed, filter, { seen })).pushed, [place]);
    });
  }

  const refusal = new DoveadmCommandError({ name: 'move', parameters: {} }, 'exitCode', 75);
  for (const [what, refused] of [
    ['move it', refusal],
    ['make Chats', new UnavailableError('cannot create the mailbox', { cause: refusal })],
  ] as const) {
    it(`is pushed from INBOX when Dovecot refuses to ${what}, and filing is tried again`, async () => {
      const { pushed, error } = await handleLate(() => Promise.reject(refused));
      assert.deepEqual(pushed, ['INBOX 3']);
      assert.equal(error, refused);
    });
  }

  it('is not pushed before Dovecot answers', async () => {
    const silence = new UnavailableError('Dovecot does not answer');
    const { pushed, error } = await handleLate(() => Promise.reject(silence));
    assert.deepEqual(pushed, []);
    assert.equal(error, silence);
  });
});
