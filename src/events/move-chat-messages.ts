import type { CoiFolderNames } from '../coi/folders.ts';
import type { RestoreChats } from '../coi/restore-chats.ts';
import { DoveadmCommandError, EXIT_CODES, type DoveadmCommand } from '../dovecot/doveadm-client.ts';
import type { RunMoves } from '../dovecot/run-moves.ts';
import { CHAT_KEYWORD } from './event-schema.ts';

export interface ChatMove {
  user: string;
  /** Messages of INBOX; those with `\Deleted` stay. */
  uids: readonly number[];
  /** Messages of INBOX whose `$Chat` the same transaction took away and which get it back first. */
  restoreKeyword?: readonly number[];
  /** Only those that have `\Seen` by now, to this user's eyes. */
  seenOnly?: boolean;
}

/** Moves chat messages from INBOX to Chats. */
export type MoveChatMessages = (move: ChatMove) => Promise<void>;

/** Dovecot's command lines are not endless; a client may mark a whole mailbox as seen at once. */
const UIDS_A_COMMAND = 500;

/**
 * One request a transaction. Only messages with `$Chat` are moved, whatever the uids say: the search
 * runs in Dovecot, on the mailbox as it is by then. Chats is made when it is missing (coi-server-spec,
 * "Configure Message Filtering"); a user who deletes it disables COI, so it went away otherwise.
 *
 * @throws UnavailableError Dovecot does not answer, or Chats cannot be made
 * @throws DoveadmCommandError it refused
 */
export function createMoveChatMessages(
  runMoves: RunMoves,
  { chats }: CoiFolderNames,
  restoreChats: RestoreChats['restore'],
): MoveChatMessages {
  return async ({ user, uids, restoreKeyword = [], seenOnly = false }) => {
    const asSeen = seenOnly ? ['seen'] : [];
    const commands: DoveadmCommand[] = [
      ...chunks(restoreKeyword).map((set) => ({
        name: 'flagsAdd',
        parameters: { user, flag: [CHAT_KEYWORD], query: ['mailbox', 'INBOX', 'uid', set] },
      })),
      ...chunks(uids).map((set) => ({
        name: 'move',
        parameters: {
          user,
          destinationMailbox: chats,
          // One that is deleted would stay in Chats when its client expunges INBOX.
          query: ['mailbox', 'INBOX', 'uid', set, 'keyword', CHAT_KEYWORD, 'undeleted', ...asSeen],
        },
      })),
    ];
    // A message that went away meanwhile is no error: the search finds nothing.
    const notFound = await attempt(user, commands);
    if (notFound.length === 0 || uids.length === 0) return;
    await restoreChats(user);
    await attempt(user, notFound); // if that is in vain, all of INBOX went away, and with it the task
  };

  /** @returns the commands for which a mailbox is missing */
  async function attempt(
    user: string,
    commands: readonly DoveadmCommand[],
  ): Promise<DoveadmCommand[]> {
    const results = await runMoves(user, commands);
    return commands.filter((_command, index) => {
      const result = results[index];
      if (!(result instanceof DoveadmCommandError)) return false;
      if (result.exitCode === EXIT_CODES.notFound) return true;
      throw result;
    });
  }
}

const chunks = (uids: readonly number[]): string[] => {
  const sets: string[] = [];
  for (let at = 0; at < uids.length; at += UIDS_A_COMMAND) {
    sets.push(uids.slice(at, at + UIDS_A_COMMAND).join(','));
  }
  return sets;
};
