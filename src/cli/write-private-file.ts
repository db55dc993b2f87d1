import { randomUUID } from 'node:crypto';
import { link, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { InvalidInputError } from '../errors.ts';

/**
 * Writes a file that holds secrets: for its owner alone, whole or not at all. Written by root it
 * belongs to the owner of its directory, as Dovecot's own would.
 *
 * @throws InvalidInputError the file is there already and is not to be overwritten
 */
export async function writePrivateFile(
  path: string,
  octets: Buffer,
  { overwrite }: { overwrite: boolean },
): Promise<void> {
  const directory = dirname(path);
  const temporary = join(directory, `.${basename(path)}.${randomUUID()}`);
  const file = await open(temporary, 'wx', 0o600);
  try {
    try {
      await file.writeFile(octets);
      if (process.getuid?.() === 0) {
        const { uid, gid } = await stat(directory);
        await file.chown(uid, gid);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    if (overwrite) await rename(temporary, path);
    else await link(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new InvalidInputError(`${path} exists already; --overwrite replaces it`, {
      cause: error,
    });
  } finally {
    await rm(temporary, { force: true });
  }
}
