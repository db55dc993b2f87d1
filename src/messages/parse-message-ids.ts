import { MAX_MESSAGE_IDS } from './limits.ts';
import { createSkipper, type Skip } from './skip-comment-or-quote.ts';

/**
 * The message-IDs of a Message-ID, References or In-Reply-To value in their order, without angle
 * brackets (RFC 5322 sections 3.6.4 and 4.5.4).
 *
 * Read as mail comes in reality: comments and the phrases of old In-Reply-To fields are skipped,
 * white space that folding left inside an id is taken out (as Dovecot does), doubled brackets count
 * as one pair, an unclosed one ends at white space. Where there are no brackets at all each word is
 * an id. Quotes stay as written.
 */
export function parseMessageIds(value: string, limit: number = MAX_MESSAGE_IDS): string[] {
  const ids: string[] = [];
  const words: string[] = [];
  const skip = createSkipper(value);
  let at = 0;
  while (at < value.length && ids.length < limit) {
    const char = value[at] as string;
    if (char === '<') {
      // "<chat$1.2@example.org>"
      const { id, end } = readBracketed(value, at + 1, skip);
      if (id !== '') ids.push(id);
      at = end;
    } else if (char === '(' || char === '"') {
      // "(added by relay)", or the phrase in "Your message of "Tue, 5 May" <1@example.org>"
      at = skip(at);
    } else if (BETWEEN_WORDS.test(char)) {
      at++;
    } else {
      // "chat$1.2@example.org", from software that forgets the brackets
      const end = endOfWord(value, at);
      if (words.length < limit) words.push(value.slice(at, end));
      at = end;
    }
  }
  return ids.length > 0 ? ids : words;
}

/** The first message-ID of a value that may be missing. */
export function firstMessageId(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  // "<chat$1.2@example.org> …", as nearly every value begins; this is asked of every message
  return LEADING_ID.exec(value)?.[1] ?? parseMessageIds(value, 1)[0];
}

const LEADING_ID = /^<([^\s<>("]+)>/;
const BETWEEN_WORDS = /[\s,;>]/;
const WORD = /[^\s,;<>("]+/y;
/** What nearly every id looks like, up to its closing bracket. */
const PLAIN_ID = /[^\s<>("]+>/y;

function readBracketed(value: string, start: number, skip: Skip): { id: string; end: number } {
  PLAIN_ID.lastIndex = start;
  const plain = PLAIN_ID.exec(value)?.[0];
  if (plain !== undefined) return { id: plain.slice(0, -1), end: start + plain.length };

  let id = '';
  let at = start;
  while (at < value.length) {
    const char = value[at] as string;
    if (char === '>') return { id, end: at + 1 };
    if (char === '<') return { id, end: at };
    const next = char === '(' || char === '"' ? skip(at) : at + 1;
    if (char !== '(' && !/\s/.test(char)) id += value.slice(at, next);
    at = next;
  }
  const end = endOfWord(value, start);
  return { id: value.slice(start, end), end };
}

function endOfWord(value: string, start: number): number {
  WORD.lastIndex = start;
  return start + (WORD.exec(value)?.[0].length ?? 0);
}
