import { join } from 'node:path';
import { errorMessage, InvalidInputError } from '../errors.ts';
import type { Logger } from '../logging.ts';
import { parseTransaction, type Transaction } from './event-schema.ts';
import { readSpoolFile, setSpoolFileAside } from './spool-files.ts';

export interface SpoolReaderParts {
  dir: string;
  log: Logger;
  onRejected: () => void;
}

export interface SpooledTransaction {
  name: string;
  /** Milliseconds since the epoch, by the clock of that time. */
  writtenAt: number;
  transaction: Transaction;
}

/** What stands in the files of the spool directory. Neither method rejects. */
export interface SpoolReader {
  /** Undefined for a file that is gone, and for one of which nothing can be made: it is set aside. */
  read(name: string): Promise<SpooledTransaction | undefined>;
  /** Sets a file aside; what cannot be set aside stays, and stands in nobody's way. */
  reject(name: string, reason: string): Promise<void>;
}

export function createSpoolReader({ dir, log, onRejected }: SpoolReaderParts): SpoolReader {
  async function read(name: string): Promise<SpooledTransaction | undefined> {
    try {
      const { text, writtenAt } = await readSpoolFile(join(dir, name));
      return { name, writtenAt, transaction: parse(text) };
    } catch (error) {
      if (error instanceof InvalidInputError) await reject(name, error.message);
      else if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        log.error(
          { file: join(dir, name), reason: errorMessage(error) },
          'cannot read a spool file; make it readable for this service',
        );
      }
      return undefined;
    }
  }

  async function reject(name: string, reason: string): Promise<void> {
    try {
      const file = await setSpoolFileAside(dir, name);
      onRejected();
      log.error({ file, reason }, 'a spool file was set aside: nothing can be made of it');
    } catch (error) {
      log.error(
        { file: join(dir, name), reason, problem: errorMessage(error) },
        'nothing can be made of a spool file, and it cannot be set aside; remove it',
      );
    }
  }

  return { read, reject };
}

/** @throws InvalidInputError it is none */
function parse(text: string): Transaction {
  const transaction = parseTransaction(Buffer.from(text));
  if (typeof transaction === 'string') throw new InvalidInputError(transaction);
  return transaction;
}
