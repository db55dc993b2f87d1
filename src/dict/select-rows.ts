import type { StoreEntry } from '../stores/store.ts';
import type { IterateOptions } from './dict-backend.ts';

/**
 * The rows that an iteration of `path` is to be answered with, out of what a backend found.
 *
 * A path is a mere prefix: `priv/a` asks for `priv/ab` too, as in Dovecot's dict-file.c. A row that
 * does not begin with it must never get out: the assertion in index-attribute.c that it does would
 * kill the user's imap process.
 *
 * @param maxRows 0 for all
 */
export function selectRows(
  rows: readonly StoreEntry[],
  path: string,
  options: IterateOptions,
  maxRows: number,
): StoreEntry[] {
  const selected = rows.filter(
    ({ key }) =>
      key.startsWith(path) &&
      (options.recurse ||
        (options.exactKey ? key.length === path.length : !key.includes('/', path.length))),
  );
  if (options.sort === 'key') {
    // Octets, not UTF-16 code units: they differ above U+FFFF.
    selected.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  } else if (options.sort === 'value') {
    selected.sort((a, b) => Buffer.compare(a.value, b.value));
  }
  return maxRows > 0 && selected.length > maxRows ? selected.slice(0, maxRows) : selected;
}
