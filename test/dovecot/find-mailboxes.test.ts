import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { startPrivateDovecot, type PrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import { createDoveadmClient, type DoveadmClient } from '../../src/dovecot/doveadm-client.ts';
import { findMailboxes } from '../../src/dovecot/find-mailboxes.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { dovecotVersions } from '../support/dovecot-versions.ts';

for (const { version, skip } of dovecotVersions) {
  for (const mailDriver of ['maildir', 'sdbox']) {
    describe(
      `which mailboxes a user has, on Dovecot ${version} with ${mailDriver}`,
      { skip },
      () => {
        let dovecot: PrivateDovecot;
        let client: DoveadmClient;
        let requests = 0;
        const teardown = createTeardown();
        before(async () => {
          const roads = { metadata: 'none', classify: 'none', events: 'none' } as const;
          dovecot = await startPrivateDovecot({ version, mailDriver, ...roads });
          teardown.defer(() => dovecot.stop());
          const observe = (): void => void (requests += 1);
          client = createDoveadmClient({ ...dovecot.doveadm, timeout: 30_000, observe });
          teardown.defer(() => client.close());
        });

        const change = async (
          name: string,
          user: string,
          ...mailboxes: string[]
        ): Promise<void> => {
          for (const mailbox of mailboxes) {
            await client.run({ name, parameters: { user, mailbox: [mailbox] } });
          }
        };
        /** @returns what was found, and how many requests it took */
        async function find(user: string, ...mailboxes: string[]): Promise<[string[], number]> {
          const before = requests;
          const found = await findMailboxes(client, user, mailboxes);
          return [[...found], requests - before];
        }

        it('those that are there, whatever is below or beside them, in one request', async () => {
          await change('mailboxCreate', 'alice', 'R/A', 'R/A/Old', 'R/A2', 'R/B');
          assert.deepEqual(await find('alice', 'R/A', 'R/B', 'R/C'), [['R/A', 'R/B'], 1]);
          assert.deepEqual(await find('alice', 'R/A', 'R/A/Old'), [['R/A', 'R/A/Old'], 1]);
        });

        it('not a name that only holds others, or held others once; the log stays clean', async () => {
          await change('mailboxCreate', 'bob', 'R/A/Old', 'R/B/Old', 'R/C2');
          await change('mailboxDelete', 'bob', 'R/B/Old');
          assert.deepEqual(await find('bob', 'R', 'R/A', 'R/B', 'R/C'), [[], 1]);
          assert.deepEqual(dovecot.errors(), []);
        });

        it('not one that was deleted while others were below; a sibling of that kind is no matter', async () => {
          await change('mailboxCreate', 'carol', 'R/A', 'R/A/Old', 'R/B', 'R/B2', 'R/B2/Old');
          await change('mailboxDelete', 'carol', 'R/A', 'R/B2');
          assert.deepEqual((await find('carol', 'R/A', 'R/B'))[0], ['R/B']);
        });
      },
    );
  }
}
