import { pino } from 'pino';
import type { Logger } from '../../src/logging.ts';
import { watchShown } from './secret-watch.ts';

export interface LogLine {
  level: string;
  msg: string;
  [field: string]: unknown;
}

export interface RecordedLog {
  log: Logger;
  readonly lines: LogLine[];
  /** The words of all lines of a level. */
  said(level: string): string[];
}

/** The service's log, kept in memory from `debug` up, in the format that it has on standard output. */
export function recordLog(): RecordedLog {
  const lines: LogLine[] = [];
  watchShown('log of the service', () => lines.map((line) => JSON.stringify(line)).join('\n'));
  const log = pino(
    { level: 'debug', base: null, formatters: { level: (label) => ({ level: label }) } },
    { write: (line: string) => void lines.push(JSON.parse(line) as LogLine) },
  );
  return {
    log,
    lines,
    said: (level) => lines.filter((line) => line.level === level).map(({ msg }) => msg),
  };
}
