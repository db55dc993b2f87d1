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

describe('the mailboxes of COI', () => {
  for (const [root, separator, option, blocked] of [
    ['COI', '/', '', 'Blocked'],
    ['INBOX.COI', '.', '', 'INBOX.Blocked'],
    ['Mail/Chat/COI', '/', '', 'Mail/Chat/Blocked'],
    ['COI', '/', 'COI/Blocked', 'COI/Blocked'],
  ] as const) {
    it(`below ${root}: messages of blocked contacts go to ${blocked}`, () => {
      const names = folderNames(root, separator, option);
      assert.equal(names.blocked, blocked);
      assert.equal(names.chats, `${root}${separator}Chats`);
    });
  }

  it('are made once, though two ask for them at the same moment', async () => {
    const present = new Set<string>();
    const made: string[] = [];
    const doveadm = {
      runAll: async (commands: readonly DoveadmCommand[]) => {
        await new Promise((resolve) => setImmediate(resolve));
        return commands.map(({ name, parameters }) => {
          if (name === 'mailboxStatus') return [...present].map((mailbox) => ({ mailbox }));
          const [mailbox = ''] = parameters['mailbox'] as string[];
          made.push(mailbox);
          present.add(mailbox);
          return [];
        });
      },
    } as unknown as DoveadmClient;
    const folders = createFolders(doveadm, folderNames('COI', '/'), createOwnOperations());
    await Promise.all([folders.ensureAll('alice'), folders.ensure('alice', ['Blocked'])]);
    assert.deepEqual(made, ['COI/Chats', 'COI/Contacts', 'Blocked']);
  });

  it('that doveadm says exist, and do not, are an error that names the options', async () => {
    const command = { name: 'mailboxCreate', parameters: {} };
    const doveadm = {
      runAll: (commands: readonly DoveadmCommand[]) =>
        Promise.resolve(
          commands.map(({ name }) =>
            name === 'mailboxCreate'
              ? new DoveadmCommandError(command, 'exitCode', EXIT_CODES.dataError)
              : [],
          ),
        ),
    } as unknown as DoveadmClient;
    const folders = createFolders(doveadm, folderNames('COI', '/'), createOwnOperations());
    const expected = /"COI\/Chats" .*coi\.mailbox_root \(COI\) .*coi\.mailbox_separator/;
    await assert.rejects(folders.ensureAll('alice'), expected);
  });
});
