import { KeyedMutex } from '../keyed-mutex.ts';
import { sayAskingDovecot } from './asking-dovecot.ts';
import type {
  DoveadmClient,
  DoveadmCommand,
  DoveadmCommandError,
  DoveadmRow,
} from './doveadm-client.ts';

/**
 * Milliseconds that moves may take. Longer than Dovecot itself waits for a mailbox's lock (two minutes,
 * src/lib-storage/index/maildir/maildir-uidlist.h).
 */
export const MOVE_TIMEOUT_MSECS = 180_000;

/**
 * Runs commands that move messages, one request of a user's at a time.
 *
 * Doveadm goes on with a move when nobody waits for it any more. A second one that is begun meanwhile
 * waits for the same lock, has found the same message, and makes a second copy of it.
 */
export type RunMoves = (
  user: string,
  commands: readonly DoveadmCommand[],
) => Promise<(DoveadmRow[] | DoveadmCommandError)[]>;

/** @param doveadm a client that waits for {@link MOVE_TIMEOUT_MSECS}, and that nobody else waits for */
export function createRunMoves(doveadm: DoveadmClient): RunMoves {
  const turns = new KeyedMutex();
  return (user, commands) => {
    sayAskingDovecot(); // before the turn comes: a delivery need not wait for that either
    return turns.run(user, () => doveadm.runAll(commands));
  };
}
