import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import { startPrivateDovecot, type PrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import {
  createDoveadmClient,
  DoveadmCommandError,
  EXIT_CODES,
  type DoveadmClient,
} from '../../src/dovecot/doveadm-client.ts';
import { selectMailbox } from '../../src/dovecot/select-mailbox.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { describeVersions } from '../support/dovecot-versions.ts';

const USER = 'alice@example.org';
const MAILBOXES = [
  'INBOX',
  '100%',
  '100 other',
  'A*',
  'Archive',
  'Archive/*',
  '*',
  '%',
  'Grüße % *',
];

describeVersions('what stands for one mailbox in a search', (version) => {
  let dovecot: PrivateDovecot;
  let doveadm: DoveadmClient;
  const teardown = createTeardown();
  before(async () => {
    dovecot = await startPrivateDovecot({
      ...{ version, metadata: 'none', classify: 'none', events: 'none' },
      users: [USER],
    });
    teardown.defer(() => dovecot.stop());
    doveadm = createDoveadmClient({ ...dovecot.doveadm, timeout: 20_000 });
    teardown.defer(() => doveadm.close());
    for (const mailbox of MAILBOXES) {
      if (mailbox !== 'INBOX') {
        const parameters = { user: USER, mailbox: [mailbox] };
        await doveadm.run({ name: 'mailboxCreate', parameters });
      }
      const message = `Subject: in ${mailbox}\n\nHello\n`;
      const { exitCode, stderr } = await dovecot.runDoveadm(
        ['save', '-u', USER, '-m', mailbox],
        message,
      );
      assert.equal(exitCode, 0, stderr);
    }
  });

  const find = async (mailbox: string, user = USER) =>
    doveadm.run({
      name: 'fetch',
      parameters: {
        user,
        field: ['mailbox'],
        query: [...(await selectMailbox(doveadm, user, mailbox)), 'uid', '1'],
      },
    });

  for (const mailbox of MAILBOXES) {
    it(`is that of ${mailbox} alone`, async () => {
      assert.deepEqual(await find(mailbox), [{ mailbox }]);
    });
  }

  it('finds nothing when the mailbox is gone, though others be like it', async () => {
    assert.deepEqual(await find('10%'), []);
    assert.deepEqual(await find('I*'), []);
    assert.deepEqual(await find('Gone'), []);
  });

  it('finds nothing when the user is gone', async () => {
    await assert.rejects(find('A*', 'nobody@example.org'), { exitCode: EXIT_CODES.noSuchUser });
  });

  it('asks nothing about an ordinary name', async () => {
    const nobody = { run: () => assert.fail('Dovecot was asked') };
    assert.deepEqual(await selectMailbox(nobody, USER, 'A "b" (c)'), ['mailbox', 'A "b" (c)']);
  });

  it('does not take another refusal for a mailbox that is gone', async () => {
    const command = { name: 'mailboxStatus', parameters: {} };
    const refusal = new DoveadmCommandError(command, 'exitCode', EXIT_CODES.temporaryFailure);
    const standIn = { run: () => Promise.reject(refusal) };
    await assert.rejects(selectMailbox(standIn, USER, 'A*'), refusal);
  });
});
