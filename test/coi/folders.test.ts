import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createFolders, folderNames } from '../../src/coi/folders.ts';
import { createOwnOperations } from '../../src/coi/own-operations.ts';
import type { DoveadmClient, DoveadmCommand } from '../../src/dovecot/doveadm-client.ts';

describe('the mailboxes of COI', () => {
  it('are made once, though two ask for them at the same moment', async () => {
    const present = new Set<string>();
    const made: string[] = [];
    const doveadm = {
      run: () => Promise.resolve([...present].map((mailbox) => ({ mailbox }))),
      runAll: async (commands: readonly DoveadmCommand[]) => {
        await new Promise((resolve) => setImmediate(resolve));
        for (const { parameters } of commands) {
          const [name = ''] = parameters['mailbox'] as string[];
          made.push(name);
          present.add(name);
        }
        return commands.map(() => []);
      },
    } as unknown as DoveadmClient;
    const folders = createFolders(doveadm, folderNames('COI', '/'), createOwnOperations());
    await Promise.all([folders.ensureAll('alice'), folders.ensure('alice', ['COI/Blocked'])]);
    assert.deepEqual(made, ['COI/Chats', 'COI/Contacts', 'COI/Blocked']);
  });
});
