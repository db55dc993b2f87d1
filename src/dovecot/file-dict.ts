import { isUtf8 } from 'node:buffer';
import { tabEscape, tabUnescape } from './tab-escaping.ts';

/** One entry of a dict, its key as Dovecot's dict API names it (`priv/<GUID>/comment`). */
export interface DictEntry {
  key: string;
  value: Buffer;
}

export interface FileDict {
  /** In the order of the file; of a key that is there twice, the last value counts, as for Dovecot. */
  entries: DictEntry[];
  /** How many keys are not UTF-8: IMAP cannot name them, and neither can a store. */
  unreadableKeys: number;
}

const NEWLINE = 0x0a;
const PAGE_ENTRIES = 100;
const CARRIAGE_RETURN = 0x0d;

/**
 * Reads the file of Dovecot's `file:` dict: a line with the key, a line with the value, both
 * tab-escaped. A key without a value line is dropped. Dovecot's line reader takes the CR before an LF
 * as part of the line end, so a file that somebody saved with CRLF is understood.
 *
 * @see Dovecot src/lib-dict/dict-file.c, file_dict_refresh; the same in 2.3 and 2.4
 */
export function parseFileDict(octets: Buffer): FileDict {
  const entries = new Map<string, Buffer>();
  let unreadableKeys = 0;
  const lines = splitLines(octets);
  for (let at = 0; at + 1 < lines.length; at += 2) {
    const key = tabUnescape(lines[at] as Buffer);
    if (isUtf8(key)) entries.set(key.toString(), tabUnescape(lines[at + 1] as Buffer));
    else unreadableKeys += 1;
  }
  return { entries: [...entries].map(([key, value]) => ({ key, value })), unreadableKeys };
}

/** The file of such a dict, sorted by the octets of the keys: the same entries make the same file. */
export const formatFileDict = (entries: readonly DictEntry[]): Buffer =>
  Buffer.concat([...formatFileDictPages(entries)]);

/** The same in parts, for who has more to do than to write a large file. */
export function* formatFileDictPages(entries: readonly DictEntry[]): Iterable<Buffer> {
  const newline = Buffer.of(NEWLINE);
  const sorted = entries
    .map(({ key, value }) => ({ key: Buffer.from(key), value }))
    .sort((a, b) => Buffer.compare(a.key, b.key));
  for (let at = 0; at < sorted.length; at += PAGE_ENTRIES) {
    yield Buffer.concat(
      sorted
        .slice(at, at + PAGE_ENTRIES)
        .flatMap(({ key, value }) => [tabEscape(key), newline, tabEscape(value), newline]),
    );
  }
}

/** What follows the last LF was cut off, and Dovecot does not read it either. */
function splitLines(octets: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let from = 0; ;) {
    const end = octets.indexOf(NEWLINE, from);
    if (end === -1) return lines;
    const hasReturn = end > from && octets[end - 1] === CARRIAGE_RETURN;
    lines.push(octets.subarray(from, hasReturn ? end - 1 : end));
    from = end + 1;
  }
}
