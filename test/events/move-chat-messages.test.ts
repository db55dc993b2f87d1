import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { folderNames } from '../../src/coi/folders.ts';
import {
  DoveadmCommandError,
  EXIT_CODES,
  type DoveadmClient,
  type DoveadmCommand,
} from '../../src/dovecot/doveadm-client.ts';
import { createRunMoves } from '../../src/dovecot/run-moves.ts';
import { createMoveChatMessages } from '../../src/events/move-chat-messages.ts';

/** Moves three messages, the second with its keyword; Dovecot refuses with these codes, one a try. */
async function move(...refusals: number[]): Promise<{ asked: string[]; error: unknown }> {
  const asked: string[] = [];
  const runAll = (commands: readonly DoveadmCommand[]) => {
    const exitCode = refusals.shift();
    return Promise.resolve(
      commands.map((command) => {
        asked.push(command.name);
        const isRefused = exitCode !== undefined && command.name === 'move';
        return isRefused ? new DoveadmCommandError(command, 'exitCode', exitCode) : [];
      }),
    );
  };
  const restore = (user: string): Promise<void> => {
    asked.push(`restore ${user}`);
    return Promise.resolve();
  };
  const runMoves = createRunMoves({ runAll } as unknown as DoveadmClient);
  const moveChatMessages = createMoveChatMessages(runMoves, folderNames('COI', '/'), restore);
  const error = await moveChatMessages({
    ...{ user: 'alice', uids: [1, 2, 3], restoreKeyword: [2] },
  }).catch((thrown: unknown) => thrown);
  return { asked, error };
}

const GONE = EXIT_CODES.notFound;
const once = ['flagsAdd', 'move'];
const again = [...once, 'restore alice', 'move'];

describe('chat messages that are moved', () => {
  it('cost one request; no folder is looked for', async () => {
    assert.deepEqual(await move(), { asked: once, error: undefined });
  });

  it('have Chats made when it is missing, and only what failed is tried again', async () => {
    assert.deepEqual(await move(GONE), { asked: again, error: undefined });
  });

  it('went away with INBOX: that is all', async () => {
    assert.deepEqual(await move(GONE, GONE), { asked: again, error: undefined });
  });

  it('which Dovecot refuses to move are to be tried again', async () => {
    const { asked, error } = await move(EXIT_CODES.temporaryFailure);
    assert.deepEqual(asked, once);
    assert.ok(error instanceof DoveadmCommandError);
  });
});
