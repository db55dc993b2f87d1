import type { Purpose } from './job-runners.ts';

/** What the main thread and a writer thread say to each other. */
export interface WriterSetup {
  purpose: Purpose;
  path: string;
  /** Of the file at `path`: no other one may take its place while this process runs. */
  inode: number;
  busyTimeoutMsecs: number;
  /** How often the write-ahead log is emptied, in milliseconds. */
  emptyLogMsecs: number;
  options: unknown;
}

export type WriterRequest = { jobs: readonly unknown[] } | 'close';

export type WriterReply =
  | { ready: Opening }
  | { replaced: ReplacedFile }
  /** The database could not be opened; the thread has ended. */
  | { refused: PortableError }
  | { outcomes: readonly PortableOutcome[] };

/** What the thread found when it opened the database. */
export interface Opening {
  /** Why it could not be opened yet: that is tried again with each job. */
  problem?: PortableError;
  /** Rows that are of no use, and are overlooked. */
  damagedRows: number;
}

/** A damaged file that another one took the place of. */
export interface ReplacedFile {
  /** Of the new file. */
  inode: number;
  /** Where the damaged one is now. */
  aside: string;
  /** Rows that could be read of it, and are in the new one. */
  salvaged: number;
}

export type PortableOutcome = { value: unknown } | { error: PortableError };

/** Classes do not survive the way between threads. */
export interface PortableError {
  kind: 'damaged' | 'unavailable' | 'invalid_input' | 'fault';
  message: string;
}
