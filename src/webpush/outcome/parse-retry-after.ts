/** A service that asks for more than an hour of silence is asked again after an hour. */
export const MAX_RETRY_AFTER_MSECS = 3_600_000;

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/**
 * The Retry-After header in both its forms (RFC 9110 section 10.2.3): seconds, or a date in any of the
 * three notations of section 5.6.7.
 *
 * @param now milliseconds since the epoch
 * @returns milliseconds from now, zero for a date in the past; undefined when it is neither
 */
export function parseRetryAfter(value: string, now: number): number | undefined {
  const text = value.trim();
  const msecs = /^\d+$/.test(text) ? Number(text) * 1_000 : parseHttpDate(text, now) - now;
  if (Number.isNaN(msecs)) return undefined;
  return Math.min(Math.max(0, msecs), MAX_RETRY_AFTER_MSECS);
}

function parseHttpDate(text: string, now: number): number {
  // Sun, 06 Nov 1994 08:49:37 GMT · Sunday, 06-Nov-94 08:49:37 GMT
  const usual =
    /^[a-z]+, (?<day>\d\d)[ -](?<month>[a-z]{3})[ -](?<year>\d{4}|\d\d) (?<time>\d\d:\d\d:\d\d) GMT$/i;
  // Sun Nov  6 08:49:37 1994
  const asctime =
    /^[a-z]{3} (?<month>[a-z]{3}) (?<day>[ \d]\d) (?<time>\d\d:\d\d:\d\d) (?<year>\d{4})$/i;
  const groups = (usual.exec(text) ?? asctime.exec(text))?.groups;
  if (groups === undefined) return NaN;
  const { day = '', month = '', year = '', time = '' } = groups;
  const [hours, minutes, seconds] = time.split(':').map(Number);
  const monthIndex = MONTHS.indexOf(month.toLowerCase());
  if (monthIndex < 0) return NaN;
  return Date.UTC(fullYear(year, now), monthIndex, Number(day), hours, minutes, seconds);
}

/** RFC 9110 section 5.6.7: two digits that seem more than 50 years ahead are of the past century. */
function fullYear(year: string, now: number): number {
  if (year.length === 4) return Number(year);
  const thisYear = new Date(now).getUTCFullYear();
  const guess = Math.floor(thisYear / 100) * 100 + Number(year);
  return guess > thisYear + 50 ? guess - 100 : guess;
}
