import { decodeOctets } from './decode-octets.ts';
import {
  MAX_FROM_FIELDS,
  MAX_FROM_OCTETS,
  MAX_HEADER_FIELDS,
  MAX_HEADER_OCTETS,
  MAX_VALUE_OCTETS,
} from './limits.ts';

/** The header of a message. Names are given in lower case and found in any case. */
export interface HeaderBlock {
  has(name: string): boolean;
  /** The value of the first field of that name, unfolded and without white space at its ends. */
  first(name: string): string | undefined;
  /**
   * The values of all From fields; of one that is longer than MAX_FROM_OCTETS one octet more than that,
   * and of more than MAX_FROM_FIELDS at least one more.
   */
  senders(): string[];
  /** Offset of the first body octet; the message's length when there is no body. */
  readonly bodyStart: number;
}

/** Fields that decide something, wherever in the header they stand. */
const WANTED = [
  ...['from', 'subject', 'date', 'message-id', 'references', 'received', 'chat-version'],
  ...['content-type', 'content-transfer-encoding'],
].map((name) => ({ name, octets: Buffer.from(name) }));

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const COLON = 0x3a;

/**
 * Finds the fields of a message's header (RFC 5322 section 2.2) without copying or decoding them:
 * most are never asked for.
 *
 * Takes any octets. Lines end in LF or CRLF. A line that is neither field nor continuation is
 * skipped together with its continuations, as Dovecot's lib-mail does, so junk before or between the
 * fields hides none of them, however much it is. Without an empty line everything is header.
 */
export function parseHeaderBlock(message: Buffer): HeaderBlock {
  // Three numbers a field: where its name starts, where its name ends, where its value ends.
  const fields: number[] = [];
  const limit = Math.min(message.length, MAX_HEADER_OCTETS);
  let inField = false;
  let at = 0;
  while (at < message.length) {
    const octet = message[at];
    if (octet === LF) return new IndexedHeader(message, fields, at + 1);
    if (octet === CR && message[at + 1] === LF) return new IndexedHeader(message, fields, at + 2);

    const lineFeed = message.indexOf(LF, at);
    const next = lineFeed === -1 ? message.length : lineFeed + 1;
    if (next > limit || fields.length >= MAX_HEADER_FIELDS * 3) break;
    if (octet === SPACE || octet === TAB) {
      // " boundary=b" continues the field above it
      if (inField) fields[fields.length - 1] = next;
    } else {
      // "Subject: Hello", or "Subject : Hello" (RFC 5322 section 4.5.8)
      const colon = findColon(message, at, next);
      inField = colon !== -1;
      if (inField) fields.push(at, colon, next);
    }
    at = next;
  }
  return new IndexedHeader(message, fields, noteWanted(message, fields, at, inField));
}

/**
 * Goes on behind what is noted of a header in full, octet by octet, and notes those fields alone that
 * decide something: the first of each, and enough of From.
 *
 * @returns where the body starts
 */
function noteWanted(
  message: Buffer,
  fields: number[],
  lineStart: number,
  continues: boolean,
): number {
  const { length } = message;
  const seen = new Map<string, number>();
  let inField = continues;
  let at = lineStart;
  while (at < length) {
    const octet = message[at] as number;
    if (octet === LF) return at + 1;
    if (octet === CR && message[at + 1] === LF) return at + 2;
    let next = at;
    while (next < length && message[next] !== LF) next++;
    next = Math.min(next + 1, length);
    if (octet === SPACE || octet === TAB) {
      if (inField) fields[fields.length - 1] = next;
    } else {
      const field = wantedField(message, at, next);
      const count = field === undefined ? 0 : (seen.get(field.name) ?? 0);
      inField = field !== undefined && count <= (field.name === 'from' ? MAX_FROM_FIELDS : 0);
      if (field !== undefined && inField) {
        seen.set(field.name, count + 1);
        fields.push(at, field.colon, next);
      }
    }
    at = next;
  }
  return length;
}

function wantedField(
  message: Buffer,
  start: number,
  end: number,
): { name: string; colon: number } | undefined {
  const first = lowerCase(message[start] as number);
  for (const { name, octets } of WANTED) {
    if (octets[0] !== first) continue;
    let at = 1;
    while (at < octets.length && lowerCase(message[start + at] ?? 0) === octets[at]) at++;
    if (at < octets.length) continue;
    let colon = start + at;
    while (colon < end && (message[colon] === SPACE || message[colon] === TAB)) colon++;
    if (message[colon] === COLON) return { name, colon };
  }
  return undefined;
}

function findColon(message: Buffer, start: number, end: number): number {
  for (let at = start; at < end; at++) if (message[at] === COLON) return at;
  return -1;
}

class IndexedHeader implements HeaderBlock {
  readonly bodyStart: number;
  readonly #message: Buffer;
  readonly #fields: readonly number[];

  constructor(message: Buffer, fields: readonly number[], bodyStart: number) {
    this.#message = message;
    this.#fields = fields;
    this.bodyStart = bodyStart;
  }

  has(name: string): boolean {
    return this.#find(name) !== -1;
  }

  first(name: string): string | undefined {
    const field = this.#find(name);
    return field === -1 ? undefined : this.#value(field);
  }

  senders(): string[] {
    const values: string[] = [];
    let field = this.#find('from');
    while (field !== -1 && values.length <= MAX_FROM_FIELDS) {
      values.push(this.#value(field, MAX_FROM_OCTETS + 1));
      field = this.#find('from', field + 3);
    }
    return values;
  }

  #find(name: string, start = 0): number {
    for (let field = start; field < this.#fields.length; field += 3) {
      if (this.#isNamed(field, name)) return field;
    }
    return -1;
  }

  #isNamed(field: number, name: string): boolean {
    const start = this.#fields[field] as number;
    if (lowerCase(this.#message[start] as number) !== name.charCodeAt(0)) return false;
    const length = trimmedEnd(this.#message, start, this.#fields[field + 1] as number) - start;
    if (length !== name.length) return false;
    for (let at = 1; at < length; at++) {
      if (lowerCase(this.#message[start + at] as number) !== name.charCodeAt(at)) return false;
    }
    return true;
  }

  #value(field: number, most: number = MAX_VALUE_OCTETS): string {
    let start = (this.#fields[field + 1] as number) + 1;
    let end = this.#fields[field + 2] as number;
    if (end - start > most) {
      end = start + most;
      // Not within a UTF-8 sequence: its octets after the first are 10xxxxxx.
      while (end > start && ((this.#message[end] as number) & 0xc0) === 0x80) end--;
    }
    while (start < end && isSpace(this.#message[start] as number)) start++;
    end = trimmedEnd(this.#message, start, end);
    const text = decodeOctets(this.#message, start, end);
    return text.includes('\n') ? text.replaceAll(/\r?\n/g, '') : text;
  }
}

const isSpace = (octet: number): boolean =>
  octet === SPACE || octet === TAB || octet === LF || octet === CR;

function trimmedEnd(message: Buffer, start: number, end: number): number {
  let at = end;
  while (at > start && isSpace(message[at - 1] as number)) at--;
  return at;
}

const lowerCase = (octet: number): number =>
  octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet;
