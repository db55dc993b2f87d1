import { InvalidInputError } from '../errors.ts';
import { SOCKET_LIMITS } from '../socket/socket-limits.ts';
import type { StoreEntry } from '../stores/store.ts';
import type { IterateOptions } from './dict-backend.ts';

/**
 * The rows that an iteration of `path` is to be answered with, out of what a backend found; page by page,
 * unless they are to be sorted.
 *
 * A path is a mere prefix: `priv/a` asks for `priv/ab` too, as in Dovecot's dict-file.c. A row that
 * does not begin with it must never get out: the assertion in index-attribute.c that it does would
 * kill the user's imap process.
 *
 * @param maxRows 0 for all
 * @throws InvalidInputError there is too much to sort
 */
export async function* selectPages(
  pages: AsyncIterable<readonly StoreEntry[]>,
  path: string,
  options: IterateOptions,
  maxRows: number,
): AsyncIterable<StoreEntry[]> {
  const isAsked = ({ key }: StoreEntry): boolean =>
    key.startsWith(path) &&
    (options.recurse ||
      (options.exactKey ? key.length === path.length : !key.includes('/', path.length)));
  if (options.sort !== 'no') {
    yield sorted(await collect(pages, isAsked), options.sort).slice(0, maxRows || undefined);
    return;
  }
  let room = maxRows || Infinity;
  for await (const page of pages) {
    const rows = page.filter(isAsked).slice(0, room);
    room -= rows.length;
    if (rows.length > 0) yield rows;
    if (room === 0) return;
  }
}

async function collect(
  pages: AsyncIterable<readonly StoreEntry[]>,
  isAsked: (row: StoreEntry) => boolean,
): Promise<StoreEntry[]> {
  const rows: StoreEntry[] = [];
  let octets = 0;
  for await (const page of pages) {
    for (const row of page.filter(isAsked)) {
      rows.push(row);
      octets += row.key.length + row.value.length;
    }
    if (octets > SOCKET_LIMITS.dictSortedOctets) {
      throw new InvalidInputError(
        `more than ${SOCKET_LIMITS.dictSortedOctets} octets are not sorted; ask without`,
      );
    }
  }
  return rows;
}

/** By octets. UTF-16 code units differ above U+FFFF. */
function sorted(rows: readonly StoreEntry[], by: 'key' | 'value'): StoreEntry[] {
  if (by === 'value') return rows.toSorted((a, b) => Buffer.compare(a.value, b.value));
  return rows
    .map((row) => ({ row, octets: Buffer.from(row.key) }))
    .sort((a, b) => Buffer.compare(a.octets, b.octets))
    .map(({ row }) => row);
}
