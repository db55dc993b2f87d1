import assert from 'node:assert/strict';
import { chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, it } from 'node:test';
import { startPrivateDovecot, type PrivateDovecot } from '../../src/cli/demo/private-dovecot.ts';
import { createDoveadmClient, type DoveadmClient } from '../../src/dovecot/doveadm-client.ts';
import { findHome, readUserFields } from '../../src/dovecot/find-home.ts';
import { NotFoundError } from '../../src/errors.ts';
import { createTeardown } from '../support/create-teardown.ts';
import { describeVersions } from '../support/dovecot-versions.ts';
import { eventually } from '../support/start-stage.ts';
import { notRoot } from '../support/unprivileged.ts';

const USERS = Array.from({ length: 5 }, (_, index) => ({
  name: `system${index}@example.org`,
  uid: 23_600 + index,
}));

describeVersions(
  'the home of users with uids of their own',
  (version) => {
    let dovecot: PrivateDovecot;
    let doveadm: DoveadmClient;
    const teardown = createTeardown();
    const homeOf = (name: string): string => join(dovecot.layout.mailDir, name);
    before(async () => {
      dovecot = await startPrivateDovecot({
        ...{ version, metadata: 'none', classify: 'none', events: 'none' },
        users: ['nobody-else@example.org'],
      });
      teardown.defer(() => dovecot.stop());
      const file = join(dovecot.layout.dir, 'system-users');
      const lines = USERS.map(
        ({ name, uid }) => `${name}:{PLAIN}x:${uid}:${uid}::${homeOf(name)}::\n`,
      );
      await writeFile(file, lines.join(''), { mode: 0o644 });
      for (const { name, uid } of USERS) {
        await mkdir(homeOf(name), { mode: 0o700 });
        await chown(homeOf(name), uid, uid);
      }
      // One process, so that each call finds what the one before it left.
      await dovecot.reconfigure(
        `service doveadm {\n  process_limit = 1\n}\n` +
          (version === '2.3'
            ? `userdb {\n  driver = passwd-file\n  args = ${file}\n}\n`
            : `userdb system-users {\n  driver = passwd-file\n  passwd_file_path = ${file}\n}\n`),
      );
      doveadm = createDoveadmClient({
        ...{ url: dovecot.doveadm.url, apiKey: dovecot.doveadm.apiKey, timeout: 20_000 },
      });
      teardown.defer(() => doveadm.close());
      await eventually(() => findHome(doveadm, USERS[0]!.name));
    });

    it('is found whomever the doveadm process served before', async () => {
      for (const [index, { name }] of USERS.entries()) {
        const other = USERS[(index + 1) % USERS.length]!;
        const parameters = { user: other.name, mailboxMask: ['INBOX'] };
        await doveadm.run({ name: 'mailboxList', parameters });
        assert.equal(await findHome(doveadm, name), homeOf(name));
        const fields = await readUserFields(doveadm, other.name);
        assert.deepEqual([fields['uid'], fields['home']], [String(other.uid), homeOf(other.name)]);
      }
    });

    it('a user that is not there is said to be missing, again and again', async () => {
      for (let times = 0; times < 3; times++) {
        await assert.rejects(findHome(doveadm, 'nobody@example.org'), NotFoundError);
      }
      assert.equal(await findHome(doveadm, USERS[4]!.name), homeOf(USERS[4]!.name));
    });
  },
  notRoot,
);
