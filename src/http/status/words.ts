const THOUSANDS = new Intl.NumberFormat('en-GB');

/** `12,345` */
export const count = (value: number): string => THOUSANDS.format(value);

/** `1 push`, `12,345 pushes` */
export const counted = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`;

const UNITS = [
  ['day', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
] as const;

/** Seconds in two units at most: `9 s`, `3 min`, `2 h 5 min`, `12 days 4 h`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const at = UNITS.findIndex(([, size]) => whole >= size);
  if (at === -1) return '0 s';
  const [unit, size] = UNITS[at] ?? UNITS[3];
  const first = phrase(Math.floor(whole / size), unit);
  const [smaller, smallerSize] = UNITS[at + 1] ?? UNITS[3];
  const rest = Math.floor((whole % size) / smallerSize);
  return rest === 0 || unit === 'min' || unit === 's' ? first : `${first} ${phrase(rest, smaller)}`;
}

const phrase = (value: number, unit: string): string =>
  `${count(value)} ${unit === 'day' && value !== 1 ? 'days' : unit}`;

/** `just now`, `40 s ago`, `3 min ago` */
export const ago = (seconds: number): string =>
  seconds < 15 ? 'just now' : `${duration(seconds)} ago`;

/** `09:05:03 UTC`, where this host is. */
export const timeOfDay = (time: Date): string =>
  time.toLocaleTimeString('en-GB', {
    ...{ hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'short' },
  });

/** A short time with its unit: `7 ms`, `1.2 s`, `3 min`. */
export function shortTime(seconds: number): { value: string; unit: string } {
  if (seconds < 0.999_5) return { value: count(Math.round(seconds * 1_000)), unit: 'ms' };
  if (seconds < 59.95) return { value: seconds.toFixed(1), unit: 's' };
  const [value = '', unit = ''] = duration(seconds).split(' ');
  return { value, unit };
}
