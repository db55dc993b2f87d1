import convict from 'convict';
import { errorMessage } from '../errors.ts';
import { parseBoolean } from './parse-boolean.ts';
import { parseDuration } from './parse-duration.ts';
import { parseListenAddress } from './parse-listen-address.ts';

/** What a value of each format of ours is once it was read. */
export interface FormatTypes {
  /** Milliseconds; written in Dovecot's time syntax. */
  duration: number;
  /** Like `duration`, where none at all would stop or spin something. */
  'positive-duration': number;
  /** Written in Dovecot's boolean syntax. */
  'yes-no': boolean;
  text: string;
  /** `host:port`; checked here, taken apart where it is used. */
  'listen-address': string;
  /** A file mode, written in octal as text: `"0660"`. */
  'file-mode': number;
  'absolute-path': string;
  /** Like `absolute-path`, or empty for "none". */
  'optional-path': string;
  /** A YAML list, or text separated by spaces or commas (environment). */
  list: readonly string[];
  whole: number;
  positive: number;
}

const fail = (message: string): never => {
  throw new Error(message);
};

/**
 * convict coerces what file and environment give, and validates later; only the latter may report.
 * In between, a symbol stands for a value that could not be read (convict takes objects apart).
 */
const parsed = (parse: (value: unknown) => unknown) => ({
  coerce: (value: unknown): unknown => {
    try {
      return parse(value);
    } catch (error) {
      return Symbol(errorMessage(error));
    }
  },
  validate: (value: unknown): void => {
    if (typeof value === 'symbol') throw new Error(value.description);
  },
});

const checked = (check: (value: unknown) => void) => ({
  coerce: (value: unknown): unknown => value,
  validate: check,
});

const parseWhole = (value: unknown, least: number): number => {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return Number.isSafeInteger(number) && (number as number) >= least
    ? (number as number)
    : fail(`"${String(value)}" is not a whole number of at least ${least}`);
};

const parsePositiveDuration = (value: unknown): number => {
  const text = String(value);
  return parseDuration(text) || fail(`"${text}" must be longer than 0`);
};

const parseMode = (value: unknown): number =>
  typeof value === 'string' && /^0?[0-7]{3}$/.test(value)
    ? Number.parseInt(value, 8)
    : fail(`"${String(value)}" is not a file mode; write it in quotes like "0660"`);

const parseList = (value: unknown): string[] => {
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  if (typeof value === 'string') return value.split(/[\s,]+/).filter((item) => item !== '');
  return fail('is not a list of texts');
};

const checkPath = (value: unknown): void => {
  if (typeof value !== 'string' || !value.startsWith('/')) {
    fail(`"${String(value)}" is not an absolute path`);
  }
};

/** The formats whose values are written as text and read into something else. */
export const COERCED_FORMATS: ReadonlySet<unknown> = new Set<keyof FormatTypes>([
  'duration',
  'positive-duration',
  'yes-no',
  'file-mode',
  'whole',
  'positive',
]);

let registered = false;

/** Makes our formats known to convict, which keeps them globally; safe to call again. */
export function registerFormats(): void {
  if (registered) return;
  registered = true;
  convict.addFormats({
    duration: parsed((value) => parseDuration(String(value))),
    'positive-duration': parsed(parsePositiveDuration),
    'yes-no': parsed(parseBoolean),
    text: checked((value) => typeof value === 'string' || fail('is not text; put it in quotes')),
    'listen-address': checked((value) => parseListenAddress(String(value))),
    'file-mode': parsed(parseMode),
    'absolute-path': checked(checkPath),
    'optional-path': checked((value) => value === '' || checkPath(value)),
    list: parsed(parseList),
    whole: parsed((value) => parseWhole(value, 0)),
    positive: parsed((value) => parseWhole(value, 1)),
  });
}
