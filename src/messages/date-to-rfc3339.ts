import { stripComments } from './strip-comments.ts';

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/** The zones that RFC 5322 section 4.3 still gives a meaning. */
const OBSOLETE_ZONES: ReadonlyMap<string, string> = new Map([
  ['UT', '+00:00'],
  ['UTC', '+00:00'],
  ['GMT', '+00:00'],
  ['Z', '+00:00'],
  ['EST', '-05:00'],
  ['EDT', '-04:00'],
  ['CST', '-06:00'],
  ['CDT', '-05:00'],
  ['MST', '-07:00'],
  ['MDT', '-06:00'],
  ['PST', '-08:00'],
  ['PDT', '-07:00'],
]);

/** RFC 3339 section 4.3: UTC, and nothing known about the sender's offset. */
const UNKNOWN_OFFSET = '-00:00';

/**
 * "Mon, 4 Dec 2019 15:51:37 +0100", single spaces between the parts. "3:51:37 PM" is in no standard, but
 * in mail of programs that print the time as their country does.
 */
const DATE =
  /^(?:[a-z]+ ?,? ?)?(\d{1,2}) ([a-z]{3})[a-z]* (\d{2,4}) (\d{1,2}) ?: ?(\d{2})(?: ?: ?(\d{2}))?(?: ?([ap])\.?m\.?(?![a-z]))?(?: ?(\S+))?/i;

/**
 * A Date value (RFC 5322 section 3.3, obsolete forms of 4.3 included) as RFC 3339 timestamp that
 * keeps the sender's offset: `2019-12-04T15:51:37+01:00`. Undefined when it names no real time.
 *
 * The day of the week is not looked at. An absent zone, `-0000` and zone names without a meaning
 * give `-00:00`; a leap second becomes the second before it, which every reader understands.
 */
export function dateToRfc3339(value: string): string | undefined {
  const parts = DATE.exec(stripComments(value).replaceAll(/\s+/g, ' ').trim());
  if (parts === null) return undefined;
  const [, day, month, year, hour, minute, second = '00', half, zone] = parts;
  const date: DateParts = {
    year: fullYear(year as string),
    month: MONTHS.indexOf((month as string).toLowerCase()),
    day: Number(day),
    hour: hourOfDay(Number(hour), half),
    minute: Number(minute),
    second: second === '60' ? 59 : Number(second),
  };
  const offset = offsetOf(zone);
  return offset !== undefined && isReal(date) ? `${format(date)}${offset}` : undefined;
}

interface DateParts {
  year: number;
  /** From 0, as Date has it. */
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
}

/** RFC 5322 section 4.3: two digits below 50 are 2000 and later, other two and three count from 1900. */
function fullYear(digits: string): number {
  const year = Number(digits);
  if (digits.length === 4) return year;
  return digits.length === 2 && year < 50 ? year + 2000 : year + 1900;
}

/** @param half "a" or "p", where the clock has twelve hours; then NaN for an hour that it has not */
function hourOfDay(hour: number, half: string | undefined): number {
  if (half === undefined) return hour;
  if (hour < 1 || hour > 12) return Number.NaN;
  return (hour % 12) + (half.toLowerCase() === 'p' ? 12 : 0);
}

function offsetOf(zone: string | undefined): string | undefined {
  const numeric = /^([+-])(\d{2}):?(\d{2})$/.exec(zone ?? '');
  if (numeric === null) return OBSOLETE_ZONES.get((zone ?? '').toUpperCase()) ?? UNKNOWN_OFFSET;
  const [, sign, hours, minutes] = numeric as unknown as [string, string, string, string];
  return hours < '24' && minutes < '60' ? `${sign}${hours}:${minutes}` : undefined;
}

function isReal({ year, month, day, hour, minute, second }: DateParts): boolean {
  if (year < 1900 || month < 0 || !(hour <= 23) || minute > 59 || second > 59) return false;
  // Date takes 31 April for 1 May.
  return new Date(Date.UTC(year, month, day)).getUTCDate() === day;
}

const format = ({ year, month, day, hour, minute, second }: DateParts): string =>
  `${year}-${two(month + 1)}-${two(day)}T${two(hour)}:${two(minute)}:${two(second)}`;

const two = (number: number): string => String(number).padStart(2, '0');

/**
 * A time as RFC 3339 timestamp in the sender's offset; undefined for a time that Dovecot could not
 * tell (it then says 0 or -1) or that is out of range.
 *
 * @param seconds since the epoch
 * @param offset minutes east of UTC
 */
export function timeToRfc3339(seconds: number, offset: number): string | undefined {
  const date = new Date((seconds + offset * 60) * 1_000);
  if (!(seconds > 0) || Number.isNaN(date.getTime()) || date.getUTCFullYear() > 9_999) {
    return undefined;
  }
  const minutes = Math.abs(offset);
  if (!Number.isInteger(minutes) || minutes >= 24 * 60) return undefined;
  const sign = offset < 0 ? '-' : '+';
  return `${date.toISOString().slice(0, 19)}${sign}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}
