import { randomBytes } from 'node:crypto';
import { access, constants, open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, UnavailableError } from '../errors.ts';
import type { Transaction } from './event-schema.ts';

/** Files that are being written; readers overlook them. */
export const TEMPORARY_PREFIX = '.tmp-';

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
