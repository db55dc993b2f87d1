import { pino } from 'pino';
import type { Logger } from '../../src/logging.ts';

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
