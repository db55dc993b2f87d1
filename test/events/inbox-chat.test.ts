import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  DoveadmCommandError,
  EXIT_CODES,
  type DoveadmClient,
  type DoveadmCommand,
  type DoveadmRow,
} from '../../src/dovecot/doveadm-client.ts';
import { createInboxChat } from '../../src/events/inbox-chat.ts';

type Answer = DoveadmRow[] | Promise<DoveadmRow[]>;

/** With what Dovecot finds, search by search; a further one fails the test. */
function inboxChat(...answers: Answer[]) {
  const run = async ({ name, parameters }: DoveadmCommand) => {
    assert.equal(name, 'fetch');
    assert.deepEqual(parameters['query'], ['mailbox', 'INBOX', 'keyword', '$Chat']);
    const answer = answers.shift();
    assert.ok(answer !== undefined, 'Dovecot is asked too often');
    return answer;
  };
  return createInboxChat({ run } as unknown as DoveadmClient);
}

const SOME = [{ uid: '7' }];
const NONE: DoveadmRow[] = [];

describe('whether INBOX holds chat messages', () => {
  it('is asked once while there are none', async () => {
    const inbox = inboxChat(NONE);
    for (let i = 0; i < 3; i++) assert.equal(await inbox.mayBeThere('alice'), false);
  });

  it('is asked each time while there are some', async () => {
    const inbox = inboxChat(SOME, SOME, NONE);
    for (const expected of [true, true, false, false]) {
      assert.equal(await inbox.mayBeThere('alice'), expected);
    }
  });

  it('is asked again once one was delivered', async () => {
    const inbox = inboxChat(NONE, SOME);
    assert.equal(await inbox.mayBeThere('alice'), false);
    inbox.noteDelivered('alice');
    assert.equal(await inbox.mayBeThere('alice'), true);
  });

  it('is asked again when one was delivered while it was asked', async () => {
    const { promise, resolve } = Promise.withResolvers<DoveadmRow[]>();
    const inbox = inboxChat(promise, SOME, SOME);
    const first = inbox.mayBeThere('alice');
    inbox.noteDelivered('alice');
    const second = inbox.mayBeThere('alice');
    resolve(NONE);
    assert.deepEqual(await Promise.all([first, second]), [false, true]);
    assert.equal(await inbox.mayBeThere('alice'), true);
  });

  it('is not known, and asked again, when Dovecot refuses', async () => {
    const refused = (exitCode: number) =>
      Promise.reject(
        new DoveadmCommandError({ name: 'fetch', parameters: {} }, 'exitCode', exitCode),
      );
    const temporary = inboxChat(refused(EXIT_CODES.temporaryFailure), SOME);
    await assert.rejects(temporary.mayBeThere('alice'), DoveadmCommandError);
    assert.equal(await temporary.mayBeThere('alice'), true);
    assert.equal(await inboxChat(refused(EXIT_CODES.notFound)).mayBeThere('alice'), false);
  });
});
