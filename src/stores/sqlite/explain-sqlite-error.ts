import { InvalidInputError, UnavailableError, errorMessage } from '../../errors.ts';

/** Primary result codes, https://www.sqlite.org/rescode.html */
const PERM = 3;
const BUSY = 5;
const LOCKED = 6;
const NOMEM = 7;
const READONLY = 8;
const IOERR = 10;
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
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}

/** Whether the connection should be closed, and the file opened anew for the next job. */
export const needsReopening = (error: unknown): boolean => REOPEN.has(resultCode(error) ?? 0);

/**
 * What an operator can act on, in place of SQLite's terse text. Errors that are no fault of the
 * file or the machine come back unchanged.
 */
export function explainSqliteError(error: unknown, path: string): Error {
  const code = resultCode(error);
  if (code === TOOBIG) return new InvalidInputError('The value is too large for the store.');
  const reason = code === undefined ? undefined : REASONS[code];
  if (reason !== undefined)
    return new UnavailableError(`${path} ${reason} (SQLite: ${errorMessage(error)}).`, {
      cause: error,
    });
  return error instanceof Error ? error : new Error(errorMessage(error));
}
