import { parseDuration } from '../../config/parse-duration.ts';

/**
 * A duration of Dovecot's in milliseconds, however it is written: `2s`, `5 secs`, and in 2.3 a bare
 * number of seconds.
 *
 * @param fallback what holds where nothing, or nothing sensible, is set
 */
export function readDuration(text: string | undefined, fallback: number): number {
  if (text === undefined || text === '') return fallback;
  try {
    return /^\d+$/.test(text) ? Number(text) * 1_000 : parseDuration(text);
  } catch {
    return fallback;
  }
}
