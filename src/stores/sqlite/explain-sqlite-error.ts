import { InvalidInputError, UnavailableError, errorMessage } from '../../errors.ts';
import { DamagedError } from '../damaged-error.ts';

/** Primary result codes, https://www.sqlite.org/rescode.html */
const ERROR = 1;
const PERM = 3;
const BUSY = 5;
const LOCKED = 6;
const NOMEM = 7;
const READONLY = 8;
const IOERR = 10;
/** Extended: there is no room for the index of the write-ahead log. */
const IOERR_SHMSIZE = 4874;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const TOOBIG = 18;
const AUTH = 23;
const NOTADB = 26;

const REASONS: Readonly<Record<number, string>> = {
  [PERM]: 'may not be used: give it to the user that runs the sidecar',
  [BUSY]: 'is locked by another process; it works again once that lets go (see `fuser`)',
  [LOCKED]: 'is locked by another process; it works again once that lets go (see `fuser`)',
  [NOMEM]: 'cannot be used: the machine is out of memory',
  [READONLY]: 'cannot be written: check its owner, its mode and how its file system is mounted',
  [IOERR]: 'cannot be read or written: the disk reports an error, see the kernel log',
  [CORRUPT]: 'is damaged: stop the sidecar, put a backup in its place, start again',
  [FULL]: 'cannot grow: its file system is full, free some space',
  [CANTOPEN]: 'cannot be opened: check its owner and mode and those of its directory',
  [AUTH]: 'may not be used: give it to the user that runs the sidecar',
  [NOTADB]: 'is not an SQLite database, or is damaged: move it away or put a backup in its place',
};

/** After these a fresh connection may fare better: the file may have been put right or replaced. */
const REOPEN = new Set([PERM, READONLY, IOERR, CORRUPT, CANTOPEN, NOTADB]);

/** The primary result code of an error that `node:sqlite` threw, or undefined. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined;
  if (error.errcode === IOERR_SHMSIZE) return FULL;
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}

/** What the file holds is not what we wrote. */
export const isDamage = (error: unknown): boolean => {
  const code = resultCode(error);
  return code === CORRUPT || code === NOTADB;
};

/** The same when a database is opened, where it also lacks tables, or has too many. */
export const isDamageAtOpening = (error: unknown): boolean =>
  isDamage(error) || resultCode(error) === ERROR;

/** Whether the service may start without the file: it, or its disk, may be put right meanwhile. */
export const mayBePutRight = (error: unknown): boolean => {
  const code = resultCode(error);
  return isDamageAtOpening(error) || code === FULL || code === IOERR || code === NOMEM;
};

/** Whether the connection should be closed, and the file opened anew for the next job. */
export const needsReopening = (error: unknown): boolean => REOPEN.has(resultCode(error) ?? 0);

/** As {@link explainSqliteError}, of an error that came while a database was opened. */
export function explainOpening(error: unknown, path: string): Error {
  if (resultCode(error) !== ERROR) return explainSqliteError(error, path);
  const message = `${path} ${REASONS[CORRUPT]} (SQLite: ${errorMessage(error)}).`;
  return new DamagedError(message, { cause: error });
}

/**
 * What an operator can act on, in place of SQLite's terse text. Errors that are no fault of the
 * file or the machine come back unchanged.
 */
export function explainSqliteError(error: unknown, path: string): Error {
  const code = resultCode(error);
  if (code === TOOBIG) return new InvalidInputError('The value is too large for the store.');
  const reason = code === undefined ? undefined : REASONS[code];
  if (reason !== undefined) {
    const Kind = isDamage(error) ? DamagedError : UnavailableError;
    return new Kind(`${path} ${reason} (SQLite: ${errorMessage(error)}).`, { cause: error });
  }
  return error instanceof Error ? error : new Error(errorMessage(error));
}
