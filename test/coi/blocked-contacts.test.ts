import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { hashAddress } from '../../src/coi/blocked-contact.ts';
import { createBlockedContacts, type BlockedContacts } from '../../src/coi/blocked-contacts.ts';
import { recordLog, type RecordedLog } from '../support/record-log.ts';

const EVE = 'Eve <eve@example.org>';
const blocking = (...addresses: string[]) => new Set(addresses.map(hashAddress));
const LIFETIME = 60_000;

describe('whom users have blocked', () => {
  let contacts: BlockedContacts;
  let answers: PromiseWithResolvers<ReadonlySet<string>>[];
  let now: number;
  let lookups: string[];
  let recorded: RecordedLog;

  beforeEach(() => {
    answers = [];
    now = 0;
    lookups = [];
    recorded = recordLog();
    contacts = createBlockedContacts({
      read: () => {
        const answer = Promise.withResolvers<ReadonlySet<string>>();
        answers.push(answer);
        return answer.promise;
      },
      lifetime: LIFETIME,
      clock: { monotonic: () => now },
      log: recorded.log,
      onLookup: (result) => lookups.push(result),
    });
  });

  const ask = (waitMsecs = 5_000) => contacts.isBlocked('alice', [EVE], waitMsecs);
  async function know(...addresses: string[]): Promise<boolean> {
    const answer = ask();
    answers.at(-1)?.resolve(blocking(...addresses));
    return answer;
  }

  it('is read once, for as long as it holds', async () => {
    assert.equal(await know('eve@example.org'), true);
    assert.equal(await ask(), true);
    assert.equal(await contacts.isBlocked('alice', ['bob@example.org'], 5_000), false);
    assert.equal(answers.length, 1);
    assert.deepEqual(lookups, ['miss', 'hit', 'hit']);
    now = LIFETIME;
    assert.equal(await know(), false);
    assert.equal(answers.length, 2);
  });

  it('need not be asked about mail of a user who blocks nobody, until that changes', async () => {
    assert.equal(contacts.mayBlock('alice'), true, 'nothing is known');
    await know();
    assert.equal(contacts.mayBlock('alice'), false);
    now = LIFETIME - 1;
    assert.equal(contacts.mayBlock('alice'), false);
    assert.equal(answers.length, 1);
    now = LIFETIME;
    assert.equal(contacts.mayBlock('alice'), false, 'the mail does not wait');
    assert.equal(answers.length, 2, 'but they are read');
    answers[1]?.resolve(blocking('eve@example.org'));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(contacts.mayBlock('alice'), true);
    contacts.forget('alice');
    assert.equal(contacts.mayBlock('alice'), true);
  });

  it('is read by one request, however many messages come', async () => {
    const asked = [ask(), ask(), ask()];
    answers[0]?.resolve(blocking('eve@example.org'));
    assert.deepEqual(await Promise.all(asked), [true, true, true]);
    assert.equal(answers.length, 1);
  });

  it('is read before its time is over for who gets messages, which do not wait for it', async () => {
    await know('eve@example.org');
    now = LIFETIME / 2 + 1;
    assert.equal(await ask(), true, 'as it is known');
    assert.equal(answers.length, 2);
    answers[1]?.resolve(blocking());
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await ask(), false);
    assert.equal(answers.length, 2);
  });

  it('is read anew after a change, also after one while it was read', async () => {
    const before = ask();
    contacts.forget('alice');
    const after = ask();
    assert.equal(answers.length, 2);
    answers[1]?.resolve(blocking('eve@example.org'));
    assert.equal(await after, true);
    answers[0]?.resolve(blocking());
    assert.equal(await before, false);
    assert.equal(await ask(), true, 'what was read before the change is forgotten');
    contacts.forget('alice');
    assert.equal(await know(), false);
  });

  it('is not waited for longer than asked, and known once it is read', async () => {
    assert.equal(await ask(1), false);
    answers[0]?.resolve(blocking('eve@example.org'));
    assert.equal(await ask(), true);
    assert.equal(answers.length, 1);
  });

  it('counts as nobody when it cannot be read, and is tried again after a while', async () => {
    const answer = ask();
    answers[0]?.reject(new Error('Dovecot does not answer'));
    assert.equal(await answer, false);
    assert.deepEqual(recorded.said('warn'), ['cannot read who is blocked']);
    assert.equal(await ask(), false);
    assert.equal(answers.length, 1, 'not with every message');
    now += 10_000;
    assert.equal(await know('eve@example.org'), true);
  });
});
