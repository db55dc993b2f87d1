import { chmod, chown, mkdir, mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UnavailableError } from '../../../errors.ts';
import { actAs, type Identity, type Outcome } from '../act-as.ts';

/** Where nobody lives for the time of a delivery. */
export interface Home extends AsyncDisposable {
  readonly path: string;
  /** The directory around it, root's own. */
  readonly around: string;
  /** Whether a message in a Maildir below it has that keyword. */
  hasKeyword(name: string): Promise<boolean>;
}

/**
 * Makes a home for a mail user, and removes it with all that is in it. Root does not walk through what
 * others may write to, where a link would lead it elsewhere: that is done as the mail user.
 */
export async function makeHome(owner: Identity): Promise<Home> {
  const around = await mkdtemp(join(tmpdir(), 'coi-sidecar-doctor-'));
  const path = join(around, 'home');
  // Their owner has to get through, and nobody has to see what is in it.
  await chmod(around, 0o711);
  await mkdir(path, { mode: 0o700 });
  await chown(path, owner.uid, owner.gid);

  const run = async (file: string, ...args: string[]): Promise<Outcome | undefined> => {
    const deed = { do: 'run', file, args, env: { PATH: '/usr/bin:/bin' }, input: '' } as const;
    return (await actAs(owner, [deed]))[0];
  };
  return {
    ...{ path, around },
    hasKeyword: async (name) => {
      const found = await run('grep', '-rqF', '--include=dovecot-keywords', '-e', name, path);
      return found?.done === true && found.status === 0;
    },
    [Symbol.asyncDispose]: async () => {
      const removed = await run('find', path, '-mindepth', '1', '-delete');
      if (removed?.done !== true || removed.status !== 0) {
        throw new UnavailableError(`cannot remove ${around}: remove it by hand`);
      }
      await rmdir(path);
      await rmdir(around);
    },
  };
}
