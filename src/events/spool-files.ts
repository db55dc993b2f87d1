import { randomBytes } from 'node:crypto';
import { access, constants, lstat, mkdir, open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, InvalidInputError, UnavailableError } from '../errors.ts';
import type { Transaction } from './event-schema.ts';

/** Files that are being written; readers overlook them. */
export const TEMPORARY_PREFIX = '.tmp-';
/** Where files go that no sidecar will ever understand or get done, for a person to look at. */
export const REJECTED = 'rejected';

/** A transaction of 100,000 messages has about 8 MiB. */
const MOST_OCTETS = 64 * 1_048_576;
/** Neither does a pipe hold us up, nor a link lead us elsewhere: others may write to the directory. */
const AS_IT_IS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
/** What open(2) says of a link, and of a socket. */
const NOT_A_FILE = ['ELOOP', 'ENXIO'];

/**
 * A new name, which sorts by time.
 *
 * @param now milliseconds since the epoch
 */
export const spoolFileName = (now: number): string =>
  `${sortableTime(now)}-${randomBytes(6).toString('hex')}.json`;

/**
 * Writes one transaction as a file; durable when it resolves. Nothing is left behind when it fails.
 *
 * @throws UnavailableError the directory does not take it
 */
export async function writeSpoolFile(
  dir: string,
  name: string,
  transaction: Transaction,
): Promise<void> {
  try {
    const temporary = await writeTemporary(dir, name, JSON.stringify(transaction));
    await rename(temporary, join(dir, name));
    const directory = await open(dir);
    await directory.sync().finally(() => directory.close());
  } catch (error) {
    throw unusable(dir, error);
  }
}

/**
 * Reads one file; `writtenAt` is in milliseconds since the epoch.
 *
 * @throws InvalidInputError it is nothing that anyone would write on purpose, say a pipe
 * @throws Error of the file system, with its `code`
 */
export async function readSpoolFile(path: string): Promise<{ text: string; writtenAt: number }> {
  const file = await open(path, AS_IT_IS).catch((error: unknown) => {
    const { code = '' } = error as NodeJS.ErrnoException;
    throw NOT_A_FILE.includes(code) ? new InvalidInputError('not an ordinary file') : error;
  });
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new InvalidInputError('not an ordinary file');
    if (found.size > MOST_OCTETS) throw new InvalidInputError('larger than any event');
    return { text: await file.readFile('utf8'), writtenAt: Math.round(found.mtimeMs) };
  } finally {
    await file.close();
  }
}

/**
 * Moves a file to where nobody takes it in.
 *
 * @returns its new path
 * @throws UnavailableError saying what is in the way
 */
export async function setSpoolFileAside(dir: string, name: string): Promise<string> {
  const aside = join(dir, REJECTED);
  try {
    await mkdir(aside, { recursive: true });
    if (!(await lstat(aside)).isDirectory()) throw new Error('it is a link: remove it');
    await rename(join(dir, name), join(aside, name));
    return join(aside, name);
  } catch (error) {
    throw new UnavailableError(`${aside} cannot be used (${errorMessage(error)})`, {
      cause: error,
    });
  }
}

/**
 * Writes and removes a file: a directory on a full disk passes every other check.
 *
 * @throws UnavailableError saying what to do about the directory
 */
export async function checkSpoolDir(dir: string): Promise<void> {
  try {
    await access(dir, constants.R_OK | constants.W_OK | constants.X_OK);
    await unlink(await writeTemporary(dir, `check-${randomBytes(6).toString('hex')}`, '{}'));
  } catch (error) {
    throw unusable(dir, error);
  }
}

async function writeTemporary(dir: string, unique: string, text: string): Promise<string> {
  const path = join(dir, TEMPORARY_PREFIX + unique);
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
    return path;
  } catch (error) {
    await unlink(path).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
}

const unusable = (dir: string, cause: unknown): UnavailableError =>
  new UnavailableError(
    `spool.dir ${dir} cannot be used (${errorMessage(cause)}); ` +
      ((cause as NodeJS.ErrnoException).code === 'ENOSPC'
        ? 'its file system is full: free some space'
        : 'create it, writable for this service and for mail processes'),
    { cause },
  );

/** As `lua/coi.lua` begins its names: ten digits of seconds, ten of microseconds. */
const sortableTime = (msecs: number): string =>
  String(Math.floor(msecs / 1_000)).padStart(10, '0') +
  String(Math.floor((msecs % 1_000) * 1_000)).padStart(10, '0');
