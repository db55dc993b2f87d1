import type { NewJournalEntry, SetAside } from '../stores/event-journal.ts';
import { parseTransaction } from './event-schema.ts';

export interface ReadLines {
  entries: NewJournalEntry[];
  /** The last hundred of them. */
  damaged: SetAside[];
  damagedCount: number;
}

const NEWLINE = 10;
const MOST_DAMAGED = 100;
const MOST_SHOWN_OCTETS = 8_192;

/**
 * Reads the lines of an event log. Empty ones are no lines: each transaction begins with the end of the
 * line before it, should that be torn. Octets that are not UTF-8 are replaced.
 *
 * @param now milliseconds since the epoch: nothing was written later
 */
export function readLines(lines: Buffer, now: number): ReadLines {
  const found: ReadLines = { entries: [], damaged: [], damagedCount: 0 };
  for (let start = 0; start < lines.length;) {
    const at = lines.indexOf(NEWLINE, start);
    const end = at === -1 ? lines.length : at;
    if (end > start) readLine(lines.subarray(start, end), now, found);
    start = end + 1;
  }
  return found;
}

function readLine(line: Buffer, now: number, found: ReadLines): void {
  const transaction = parseTransaction(line);
  if (typeof transaction === 'string') {
    const content = line.toString('utf8', 0, MOST_SHOWN_OCTETS);
    found.damagedCount += 1;
    found.damaged.push({ at: now, reason: transaction, content, user: userIn(content) });
    if (found.damaged.length > MOST_DAMAGED) found.damaged.shift();
    return;
  }
  const { user, at } = transaction;
  const receivedAt = at === undefined ? now : Math.max(0, Math.min(now, Math.round(at * 1_000)));
  found.entries.push({ user, transaction: line.toString(), receivedAt });
}

/** Whose events it tells of, as far as it can be read. */
function userIn(text: string): string | undefined {
  const [, name = ''] = /"user":("(?:[^"\\]|\\.){1,1024}")/.exec(text.slice(0, 4_096)) ?? [];
  try {
    return String(JSON.parse(name));
  } catch {
    return undefined;
  }
}
