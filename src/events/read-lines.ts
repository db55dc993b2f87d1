import type { NewJournalEntry, SetAside } from '../stores/event-journal.ts';
import { parseTransaction } from './event-schema.ts';

export interface ReadLines {
  entries: NewJournalEntry[];
  /** The last hundred of them. */
  damaged: SetAside[];
  damagedCount: number;
  /** So much was read; what is behind, if anything, is for the next time. */
  octets: number;
}

interface DamagedLine {
  line: Buffer;
  reason: string;
}

const NEWLINE = 10;
const MOST_DAMAGED = 100;
const MOST_SHOWN_OCTETS = 8_192;
/** To find what is wrong with a line takes longer than to read it: of 131,072 lines, seconds. */
const MOST_EXAMINED = 1_000;
/** Of the shortest transaction. What is shorter is not parsed: a part has room for many of these. */
const LEAST_OCTETS = '{"user":"a","events":[{"event":"MailboxDelete","mailbox":"x"}]}'.length;

/**
 * Reads the lines of an event log. Empty ones are no lines: each transaction begins with the end of the
 * line before it, should that be torn. Octets that are not UTF-8 are replaced.
 *
 * Ends early behind many damaged lines, so that nobody waits for them.
 *
 * @param now milliseconds since the epoch: nothing was written later
 */
export function readLines(lines: Buffer, now: number): ReadLines {
  const entries: NewJournalEntry[] = [];
  const latest: DamagedLine[] = [];
  let damagedCount = 0;
  let examined = 0;
  let start = 0;
  while (start < lines.length && examined < MOST_EXAMINED) {
    const at = lines.indexOf(NEWLINE, start);
    const end = at === -1 ? lines.length : at;
    const line = lines.subarray(start, end);
    start = end + 1;
    if (line.length === 0) continue;
    const isShort = line.length < LEAST_OCTETS;
    const found = isShort ? 'too short for a transaction' : readLine(line, now);
    if (typeof found !== 'string') {
      entries.push(found);
      continue;
    }
    damagedCount += 1;
    if (!isShort) examined += 1;
    latest.push({ line, reason: found });
    if (latest.length > MOST_DAMAGED) latest.shift();
  }
  const damaged = latest.map(({ line, reason }) => setAside(line, reason, now));
  return { entries, damaged, damagedCount, octets: Math.min(start, lines.length) };
}

function readLine(line: Buffer, now: number): NewJournalEntry | string {
  const transaction = parseTransaction(line);
  if (typeof transaction === 'string') return transaction;
  const { user, at } = transaction;
  const receivedAt = at === undefined ? now : Math.max(0, Math.min(now, Math.round(at * 1_000)));
  return { user, transaction: line.toString(), receivedAt };
}

/** Takes the lines out that tell of `users`, who do not belong to the log of the system user `uid`. */
export function setForeignAside(
  lines: ReadLines,
  users: ReadonlySet<string>,
  uid: number,
): ReadLines & { foreignCount: number } {
  if (users.size === 0) return { ...lines, foreignCount: 0 };
  const entries = lines.entries.filter(({ user }) => !users.has(user));
  const foreign = lines.entries.filter(({ user }) => users.has(user));
  const reason = `about a user who does not belong to the system user ${uid}`;
  const shown = foreign.slice(-MOST_DAMAGED).map(({ user, transaction, receivedAt }) => {
    const content = transaction.slice(0, MOST_SHOWN_OCTETS);
    return { at: receivedAt, reason, content, user };
  });
  const damaged = [...lines.damaged, ...shown].slice(-MOST_DAMAGED);
  return { ...lines, entries, damaged, foreignCount: foreign.length };
}

function setAside(line: Buffer, reason: string, now: number): SetAside {
  const content = line.toString('utf8', 0, MOST_SHOWN_OCTETS);
  return { at: now, reason, content, user: userIn(content) };
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
