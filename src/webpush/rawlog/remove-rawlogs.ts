import { constants } from 'node:fs';
import { open, readdir, rmdir, unlink } from 'node:fs/promises';
import { errorMessage, UnavailableError } from '../../errors.ts';
import { inDirectory, openDirectory } from './open-directory.ts';
import { expandRawlogDir } from './rawlog-dir.ts';

/** The lines before the request, with the user's name, are shorter. */
const HEAD_OCTETS = 8_192;

/**
 * Removes the files of one user's push requests, and the directory if it is this user's alone and
 * nothing else is in it.
 *
 * @param template `webpush.rawlog_dir`
 * @returns how many files
 * @throws UnavailableError they cannot be read or removed
 */
export async function removeRawlogs(template: string, user: string): Promise<number> {
  const dir = expandRawlogDir(template, user);
  let removed = 0;
  try {
    const directory = await openDirectory(dir);
    try {
      for (const name of await readdir(inDirectory(directory, ''))) {
        const path = inDirectory(directory, name);
        // Others may be in there: those of a name that is cut at the same place, or everybody.
        if (!name.endsWith('.log') || !(await isOf(path, user))) continue;
        await unlink(path);
        removed += 1;
      }
    } finally {
      await directory.close();
    }
    if (template.includes('%u')) await rmdir(dir).catch(() => undefined);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return removed;
    const reason = errorMessage(cause);
    throw new UnavailableError(`the rawlogs in ${dir} cannot be removed: ${reason}`, { cause });
  }
  return removed;
}

/** Whatever else somebody put there, a FIFO that opening would wait for among it, is nobody's. */
async function isOf(path: string, user: string): Promise<boolean> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch((error: unknown) => {
    if (NOT_A_FILE.has((error as NodeJS.ErrnoException).code)) return undefined;
    throw error;
  });
  if (file === undefined) return false;
  try {
    if (!(await file.stat()).isFile()) return false;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_OCTETS), 0, HEAD_OCTETS, 0);
    const [head = ''] = buffer.toString('utf8', 0, bytesRead).split('\n\n');
    return head.split('\n').includes(userLine(user));
  } finally {
    await file.close();
  }
}

/** What opening says of symbolic links and sockets, and of what went away meanwhile. */
const NOT_A_FILE = new Set<string | undefined>(['ELOOP', 'ENXIO', 'ENOENT']);

const userLine = (user: string): string => `# user: ${JSON.stringify(user)}`;
