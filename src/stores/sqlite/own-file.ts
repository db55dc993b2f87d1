import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  realpathSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { InvalidInputError, UnavailableError, errorMessage } from '../../errors.ts';
import { explainSqliteError, isDamage } from './explain-sqlite-error.ts';

export interface OwnedFile {
  /** The file's real path. */
  path: string;
  inode: number;
  release(): void;
}

/**
 * Makes this process the only sidecar that uses the database at `path`, and creates the file, for
 * its owner alone, if it is not there.
 *
 * The lock is an SQLite lock on an empty file beside the database: the kernel drops it with the
 * process, however that dies, and the database itself stays open to readers and backups.
 *
 * @throws InvalidInputError the path is not absolute
 * @throws UnavailableError the directory is missing or closed to us, or another process owns the file
 */
export function ownFile(path: string): OwnedFile {
  const real = resolve(path);
  const lockPath = `${real}.lock`;
  create(lockPath);
  const lock = takeLock(lockPath, real);
  try {
    create(real);
    checkAccess(real);
    checkNames(real);
    const release = (): void => {
      if (lock.isOpen) lock.close();
    };
    return { path: real, inode: statSync(real).ino, release };
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** Two names of one file must lead to one lock. */
function resolve(path: string): string {
  if (!isAbsolute(path))
    throw new InvalidInputError(`The database path "${path}" must be absolute.`);
  if (existsSync(path)) return realpathSync(path);
  const directory = dirname(path);
  try {
    return join(realpathSync(directory), basename(path));
  } catch (error) {
    throw new UnavailableError(
      `The directory ${directory} is not there: create it for the user that runs the sidecar ` +
        `(install -d -m 0700 -o <user> ${directory}).`,
      { cause: error },
    );
  }
}

/**
 * Never opens a file that exists: closing it again would drop the locks that SQLite holds on it in
 * this process (POSIX record locks belong to the process, not to the descriptor).
 */
function create(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return;
    throw new UnavailableError(
      `${path} cannot be created: ${errorMessage(error)}. Its directory must be writable for the ` +
        'user that runs the sidecar.',
      { cause: error },
    );
  }
}

/** SQLite would open the file for reading only and fail at the first write. */
function checkAccess(path: string): void {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
  } catch (error) {
    throw new UnavailableError(
      `${path} cannot be read and written: ${errorMessage(error)}. Give it to the user that runs ` +
        'the sidecar (chown), and check how its file system is mounted.',
      { cause: error },
    );
  }
}

/**
 * The write-ahead log and the lock stand beside the file and have its name: under another name of the
 * same file a second service would find neither, and both would write
 * (https://sqlite.org/howtocorrupt.html, "Multiple links to the same file").
 */
function checkNames(path: string): void {
  if (statSync(path).nlink > 1)
    throw new UnavailableError(
      `${path} has another name (a hard link), under which a second service could write to it: ` +
        `remove that one (find it with "find / -xdev -samefile ${path}").`,
    );
  if (readMountPoints().includes(path))
    throw new UnavailableError(
      `${path} is mounted by itself: mount its directory, for what SQLite keeps beside the file ` +
        'belongs to it.',
    );
}

/** Those of this process; none where the kernel does not tell. See proc_pid_mountinfo(5). */
function readMountPoints(): string[] {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[4] ?? '')
      .map((point) =>
        point.replace(/\\([0-7]{3})/g, (_, octal: string) =>
          String.fromCharCode(Number.parseInt(octal, 8)),
        ),
      );
  } catch {
    return [];
  }
}

function takeLock(lockPath: string, path: string): DatabaseSync {
  const lock = new DatabaseSync(lockPath, { open: false });
  const begin = (): void => {
    lock.open();
    // A journal on disk would need room, and the disk may be full; nothing is ever written.
    lock.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  };
  try {
    try {
      begin();
    } catch (error) {
      if (!isDamage(error)) throw error;
      // Nothing of ours: the file is empty. Nobody else holds it, or that would have come first.
      lock.close();
      truncateSync(lockPath);
      begin();
    }
    return lock;
  } catch (error) {
    if (lock.isOpen) lock.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === 5)
      throw new UnavailableError(
        `${path} is in use by another coi-sidecar (it holds ${lockPath}): stop that one, or give ` +
          'each its own file.',
        { cause: error },
      );
    throw explainSqliteError(error, lockPath);
  }
}
