import { actAs, canActAs, type Deed, type Outcome } from './act-as.ts';
import { findBarrier } from './find-barrier.ts';
import type { Setup } from './setup/setup.ts';
import { NOBODY } from './setup/user-database.ts';

export interface MailUserTrial {
  outcome: Outcome;
  /** How to name the mail user in a text: `the mail user (uid 8)`. */
  who: string;
  /** What keeps them away, when they are kept away. */
  barrier: string;
}

/** Whether a user without any rights may connect to a socket; false where only root could try it. */
export async function isOpenToAll(path: string): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  const nobody = { uid: NOBODY, gid: NOBODY, groups: [] };
  const [outcome] = await actAs(nobody, [{ do: 'connect', path }]);
  return outcome?.done === true;
}

/** Why what a stand-in may not do says nothing. */
export const NAME_ONE = 'each user has an own uid; name one with --user';

/**
 * Tries something as Dovecot's mail processes would.
 *
 * @returns undefined when that cannot be told from here, after `skip` was told why
 */
export async function tryAsMailUser(
  { mailUser }: Setup,
  deed: Deed,
  skip: (reason: string) => void,
): Promise<MailUserTrial | undefined> {
  const { identity, guessed, problem } = mailUser;
  const path = deed.do === 'run' ? deed.file : deed.path;
  if (identity === undefined) {
    skip(`whether mail processes may use ${path}: ${problem}`);
    return undefined;
  }
  if (!canActAs(identity)) {
    skip(`whether mail processes may use ${path}: only root can try it`);
    return undefined;
  }
  const [outcome] = await actAs(identity, [deed]);
  if (outcome === undefined) return undefined;
  if (guessed && !outcome.done) {
    skip(`whether mail processes may use ${path}: ${NAME_ONE}`);
    return undefined;
  }
  const barrier = outcome.done ? '' : await findBarrier(path, identity);
  return { outcome, who: `the mail user (uid ${identity.uid})`, barrier };
}
