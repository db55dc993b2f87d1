import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';
import { openStandardOutput } from './standard-output.ts';

export type Logger = PinoLogger;

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** One JSON object a line on standard output: journald and container runtimes take it as it is. */
export function createLogger(
  level: LogLevel,
  destination: DestinationStream = openStandardOutput(),
): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: ['req.headers.authorization', 'headers.authorization'],
  };
  return pino(options, destination);
}
