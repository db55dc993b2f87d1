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
  | 'ready'
  /** The database could not be opened; the thread has ended. */
  | { refused: PortableError }
  | { outcomes: readonly PortableOutcome[] };

export type PortableOutcome = { value: unknown } | { error: PortableError };

/** Classes do not survive the way between threads. */
export interface PortableError {
  kind: 'unavailable' | 'invalid_input' | 'fault';
  message: string;
}
