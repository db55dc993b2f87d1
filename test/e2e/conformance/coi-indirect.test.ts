import assert from 'node:assert/strict';
import type { DovecotVersion } from '../../../src/cli/demo/dovecot-release.ts';
import { conformance } from '../../support/conformance.ts';
import {
  chat,
  coiAccount,
  deliverTo,
  ENABLED,
  flagsIn,
  get,
  mailboxes,
  newAccount,
  settle,
  subscribed,
} from './steps.ts';

/**
 * A second trash, which `coi.trash_mailboxes` does not name, and a namespace in which the mailboxes have
 * other names as well.
 */
const extraConfig = (version: DovecotVersion): string => `namespace inbox {
  mailbox Bin {
    special_use = \\Trash
  }
}
namespace compat {
  prefix = old/
  separator = /
  alias_for =${version === '2.3' ? '' : ' inbox'}
  hidden = yes
  list = no
  inbox = no
}
`;

const options = (version: DovecotVersion) => ({ extraConfig: extraConfig(version) });

conformance(import.meta.url, 'coi-server-spec', options, ({ stage, section }) => {
  section('Configure COI Usage', (sentence) => {
    sentence(
      'RECOMMENDED',
      'It is RECOMMENDED that this folder cannot be renamed by clients - or only renamed (moved) to the trash folder.',
      {
        instead:
          'a RENAME is undone at once, unless it goes to the trash; Dovecot’s acl plugin can refuse it, see [Operations](operations.md#keeping-chats-where-it-is)',
      },
      async () => {
        const { client } = await coiAccount(stage());
        await client.ok('RENAME COI/Chats Elsewhere');
        await settle(stage());
        assert.ok((await mailboxes(client)).includes('COI/Chats'));
        await client.ok('RENAME COI/Chats Trash/Chats');
        await settle(stage());
        assert.ok((await mailboxes(client, 'Trash/*')).includes('Trash/Chats'));
      },
    );
  });

  section('Indirectly Disabling and Enabling COI', (sentence) => {
    sentence(
      'RECOMMENDED',
      'It is RECOMMENDED that servers treat the deletion of the <MAILBOX-ROOT>/Chats folder as an indirect request to disable COI for the user. A deletion can either happen either directly with the IMAP `DELETE` command or indirectly by a `RENAME` operation that moves the Chats folder under a `\\Trash` special-use or the default trash folder.',
      'The parent counts as well, a DELETE that leaves mailboxes below it, and another name in a namespace with `alias_for`. Mailboxes with the special use are asked for (`doveadm mailbox metadata get`), the default trash folder is what `coi.trash_mailboxes` names',
      async () => {
        for (const commands of [
          ['DELETE COI/Chats'],
          ['CREATE COI/Chats/Old', 'DELETE COI/Chats'],
          ['RENAME COI/Chats Trash/Chats'],
          ['RENAME COI/Chats Trash/2024/Chats'],
          ['RENAME COI Trash/COI'],
          ['RENAME COI/Chats Bin/Chats'],
          ['DELETE old/COI/Chats'],
          ['CREATE Bin/2024', 'RENAME COI/Chats Bin/2024/Chats'],
        ]) {
          const { user, client } = await coiAccount(stage(), 'active');
          for (const command of commands) await client.ok(command);
          await settle(stage());
          assert.equal(await get(client, ENABLED), null, commands.join());
          assert.ok(!(await mailboxes(client)).includes('COI/Chats'), 'it is not made again');
          await deliverTo(stage(), user, chat());
          assert.deepEqual(await flagsIn(client, 'INBOX'), [[]]);
        }
      },
    );

    sentence(
      'RECOMMENDED',
      'It is RECOMMENDED to not allow other `RENAME` operations, such attempts are RECOMMENDED to be answered with NO.',
      {
        instead:
          'answered with OK and undone at once, mail and subscription included. Where that fails, COI is disabled. With Dovecot’s acl plugin the answer is NO, see [Operations](operations.md#keeping-chats-where-it-is)',
      },
      async () => {
        for (const [from, to] of [
          ['COI/Chats', 'COI/Talks'],
          ['COI/Chats', 'Chats'],
          ['COI', 'Archive'],
          ['old/COI/Chats', 'old/Talks'],
        ] as const) {
          const { user, client } = await coiAccount(stage(), 'active');
          await deliverTo(stage(), user, chat());
          await client.ok(`RENAME ${from} ${to}`);
          await settle(stage());
          const names = await mailboxes(client, '*');
          assert.ok(names.includes('COI/Chats') && !names.includes(to), names.join());
          assert.equal(await get(client, ENABLED), 'yes');
          assert.deepEqual(await flagsIn(client, 'COI/Chats'), [['$Chat']]);
          await deliverTo(stage(), user, chat());
          assert.equal((await flagsIn(client, 'COI/Chats')).length, 2);
          assert.ok((await subscribed(client)).includes('COI/Chats'));
        }
      },
    );

    sentence(
      'RECOMMENDED',
      'It is RECOMMENDED that servers treat the creation of the <MAILBOX-ROOT>/Chats folder as an indirect request to enable COI for the user. The creation can be done either with a `CREATE` or with a `RENAME` call.',
      'Contacts is made too; a parent that is renamed and brings Chats along counts as well',
      async () => {
        for (const commands of [
          ['CREATE COI/Chats'],
          ['CREATE COI/Chats/Old', 'CREATE COI/Chats'],
          ['CREATE Talks', 'RENAME Talks COI/Chats'],
          ['CREATE Other/Chats', 'RENAME Other COI'],
          ['CREATE old/COI/Chats'],
        ]) {
          const { user, client } = await newAccount(stage());
          for (const command of commands) await client.ok(command);
          await settle(stage());
          assert.equal(await get(client, ENABLED), 'yes', commands.join());
          assert.ok((await mailboxes(client)).includes('COI/Contacts'));
          await deliverTo(stage(), user, chat());
          assert.deepEqual(await flagsIn(client, 'INBOX'), [['$Chat']]);
        }
        const { client } = await newAccount(stage());
        for (const other of ['COI', 'COI/Contacts', 'Chats', 'COI/Chats2', 'COI/Chats/Old']) {
          await client.ok(`CREATE ${other}`);
        }
        await settle(stage());
        assert.equal(await get(client, ENABLED), null);
      },
    );

    sentence(
      'MUST',
      'If the server indirectly enables or disables COI, it MUST also update the corresponding METADATA setting under `/private/vendor/vendor.dovecot/coi/config/enabled`.',
      'By the time that CREATE, DELETE or RENAME is answered, for every session; after a RENAME into a trash that only its special use tells, a moment later',
      async () => {
        const { user, client } = await newAccount(stage());
        const other = await stage().login(user);
        const steps: [command: string, enabled: string | null][] = [
          ['CREATE COI/Chats', 'yes'],
          ['DELETE COI/Chats', null],
          ['CREATE COI/Chats', 'yes'],
          ['RENAME COI/Chats Trash/Chats', null],
          ['RENAME Trash/Chats COI/Chats', 'yes'],
        ];
        for (const [command, enabled] of steps) {
          await client.ok(command);
          assert.equal(await get(other, ENABLED), enabled, command);
        }
      },
    );
  });
});
