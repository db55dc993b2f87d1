import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import { startPrivateDovecot, type PrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import { createDoveadmClient, type DoveadmClient } from '../../src/dovecot/doveadm-client.ts';
import { createDoveadmSocket } from '../../src/dovecot/doveadm-socket.ts';
import { findHome } from '../../src/dovecot/find-home.ts';
import { InvalidInputError } from '../../src/errors.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { describeVersions } from '../support/dovecot-versions.ts';

const USERS = ['alice', 'bob', 'bert'];

describeVersions('a name that doveadm takes for a mask of users', (version) => {
  let dovecot: PrivateDovecot;
  let doveadm: DoveadmClient;
  const teardown = createTeardown();
  before(async () => {
    dovecot = await startPrivateDovecot({
      ...{ version, metadata: 'none', classify: 'none', events: 'none' },
      users: USERS,
    });
    teardown.defer(() => dovecot.stop());
    doveadm = createDoveadmClient({ ...dovecot.doveadm, timeout: 20_000 });
    teardown.defer(() => doveadm.close());
  });

  /** What the API does without our client before it. */
  async function askDirectly(user: string): Promise<unknown> {
    const { url, apiKey } = dovecot.doveadm;
    const parameters = { user, mailbox: [`made for ${user}`.replaceAll(/[*?]/g, 'many')] };
    const answer = await fetch(url, {
      method: 'POST',
      headers: { authorization: `X-Dovecot-API ${Buffer.from(apiKey).toString('base64')}` },
      body: JSON.stringify([['mailboxCreate', parameters, 'tag']]),
    });
    return answer.json();
  }

  const mailboxesOf = async (user: string): Promise<string[]> => {
    const parameters = { user, mailboxMask: ['*'] };
    const rows = await doveadm.run({ name: 'mailboxList', parameters });
    return rows.map(({ mailbox = '' }) => mailbox);
  };

  it('is why: the API carries a command out for every user that the mask fits', async () => {
    await askDirectly('b*');
    for (const user of ['bob', 'bert']) {
      assert.ok((await mailboxesOf(user)).includes('made for bmany'), user);
    }
    assert.ok(!(await mailboxesOf('alice')).includes('made for bmany'));
  });

  for (const user of ['*', 'b*', 'bo?', '', 'bob\n', 'bob\0']) {
    it(`${JSON.stringify(user)} leaves by no client`, async () => {
      const command = { name: 'mailboxCreate', parameters: { user, mailbox: ['by the client'] } };
      const good = { name: 'mailboxCreate', parameters: { user: 'bob', mailbox: ['beside it'] } };
      await assert.rejects(doveadm.run(command), InvalidInputError);
      await assert.rejects(doveadm.runAll([good, command]), InvalidInputError);
      await assert.rejects(findHome(doveadm, user), InvalidInputError);
      const socket = createDoveadmSocket({ path: dovecot.doveadm.socket, timeout: 20_000 });
      const words = ['mailbox', 'create', '-u', user, '--', 'by the socket'];
      await assert.rejects(socket.run(user, words), InvalidInputError);
      for (const one of USERS) {
        const mailboxes = await mailboxesOf(one);
        for (const name of ['by the client', 'beside it', 'by the socket']) {
          assert.ok(!mailboxes.includes(name), `${one} has ${name}`);
        }
      }
    });
  }
});
