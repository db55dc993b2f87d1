import { InvalidInputError } from '../errors.ts';

/**
 * Dovecot's booleans, `yes` and `no`, and YAML's own.
 *
 * @see Dovecot src/lib-settings/settings-parser.c, `get_bool`
 */
export function parseBoolean(value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  const text = typeof value === 'string' ? value.trim().toLowerCase() : '';
  if (['yes', 'y', '1', 'true', 'on'].includes(text)) return true;
  if (['no', 'n', '0', 'false', 'off'].includes(text)) return false;
  throw new InvalidInputError(`"${String(value)}" is neither "yes" nor "no"`);
}
