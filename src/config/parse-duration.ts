import { InvalidInputError } from '../errors.ts';

/** In Dovecot's order: a unit may be cut short, and the first name that begins with it counts. */
const UNITS: readonly (readonly [name: string, msecs: number])[] = [
  ['secs', 1_000],
  ['seconds', 1_000],
  ['mins', 60_000],
  ['minutes', 60_000],
  ['msecs', 1],
  ['mseconds', 1],
  ['millisecs', 1],
  ['milliseconds', 1],
  ['hours', 3_600_000],
  ['days', 86_400_000],
  ['weeks', 604_800_000],
];

/** A hundred years: more is a slip, and less leaves room for adding it to any date. */
const LONGEST_MSECS = 36_525 * 86_400_000;

/**
 * Dovecot's time syntax: a whole number and a unit, which may be cut short and may follow spaces
 * (`5 min`, `30s`, `1 hour`, `2000 msecs`). As in Dovecot, only zero needs no unit.
 *
 * @returns milliseconds
 * @see Dovecot src/lib/str-parse.c, `str_parse_get_interval_msecs`
 */
export function parseDuration(text: string): number {
  const match = /^(\d+) *([a-z]*)$/i.exec(text.trim());
  const number = Number(match?.[1]);
  const unit = match?.[2]?.toLowerCase();
  if (unit === undefined || !Number.isSafeInteger(number)) {
    throw new InvalidInputError(`"${text}" is not a duration; write it like "5 min" or "30 secs"`);
  }
  if (unit === '') {
    if (number === 0) return 0;
    throw new InvalidInputError(`the duration "${text}" has no unit; write it like "${text} secs"`);
  }
  const msecs = UNITS.find(([name]) => name.startsWith(unit))?.[1];
  if (msecs === undefined) {
    throw new InvalidInputError(
      `the duration "${text}" has an unknown unit; use msecs, secs, mins, hours, days or weeks`,
    );
  }
  if (number * msecs > LONGEST_MSECS) {
    throw new InvalidInputError(`the duration "${text}" is too long`);
  }
  return number * msecs;
}
