import { constants } from 'node:fs';
import { lstat, open, realpath, type FileHandle } from 'node:fs/promises';

/**
 * Opens a directory, to get at the files in it by the {@link inDirectory} path whatever is done to its
 * name meanwhile. A user may own the directory around it: a symbolic link in its place is followed only
 * where the administrator (root, or who runs this service) made it.
 *
 * @throws Error of the system: ENOENT there is none; ENOTDIR or ELOOP something else is there
 */
export async function openDirectory(path: string): Promise<FileHandle> {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const openHere = (where: string): Promise<FileHandle> =>
    open(where, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);
  const found = await lstat(path);
  const isOurs = found.uid === 0 || found.uid === process.geteuid?.();
  return openHere(found.isSymbolicLink() && isOurs ? await realpath(path) : path);
}

/** See proc_pid_fd(5). */
export const inDirectory = ({ fd }: FileHandle, name: string): string =>
  `/proc/self/fd/${fd}/${name}`;
