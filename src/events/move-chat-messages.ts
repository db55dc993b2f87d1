import type { CoiFolderNames } from '../coi/folders.ts';
import {
  DoveadmCommandError,
  EXIT_CODES,
  type DoveadmClient,
  type DoveadmCommand,
} from '../dovecot/doveadm-client.ts';

export const CHAT_KEYWORD = '$Chat';

export interface ChatMove {
  user: string;
  /** Messages of INBOX. */
  uids: readonly number[];
  /** Those among them whose `$Chat` the same transaction took away and which get it back first. */
  restoreKeyword?: readonly number[];
}

/** Moves chat messages from INBOX to Chats. */
export type MoveChatMessages = (move: ChatMove) => Promise<void>;

/** Dovecot's command lines are not endless; a client may mark a whole mailbox as seen at once. */
const UIDS_A_COMMAND = 500;

/**
 * One request a transaction. Only messages with `$Chat` are moved, whatever the uids say: the search
 * runs in Dovecot, on the mailbox as it is by then.
 *
 * @throws UnavailableError Dovecot does not answer
 * @throws DoveadmCommandError it refused, say because Chats is gone
 */
export function createMoveChatMessages(
  doveadm: DoveadmClient,
  folders: CoiFolderNames,
): MoveChatMessages {
  return async ({ user, uids, restoreKeyword = [] }) => {
    const commands: DoveadmCommand[] = [
      ...chunks(restoreKeyword).map((set) => ({
        name: 'flagsAdd',
        parameters: { user, flag: [CHAT_KEYWORD], query: ['mailbox', 'INBOX', 'uid', set] },
      })),
      ...chunks(uids).map((set) => ({
        name: 'move',
        parameters: {
          user,
          destinationMailbox: folders.chats,
          query: ['mailbox', 'INBOX', 'uid', set, 'keyword', CHAT_KEYWORD],
        },
      })),
    ];
    for (const result of await doveadm.runAll(commands)) {
      // Not found: the message, or all of INBOX, went away meanwhile, and with it the task.
      if (result instanceof DoveadmCommandError && result.exitCode !== EXIT_CODES.notFound) {
        throw result;
      }
    }
  };
}

const chunks = (uids: readonly number[]): string[] => {
  const sets: string[] = [];
  for (let at = 0; at < uids.length; at += UIDS_A_COMMAND) {
    sets.push(uids.slice(at, at + UIDS_A_COMMAND).join(','));
  }
  return sets;
};
