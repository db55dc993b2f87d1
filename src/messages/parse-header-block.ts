import { decodeOctets } from './decode-octets.ts';
import { MAX_HEADER_FIELDS, MAX_HEADER_OCTETS, MAX_VALUE_OCTETS } from './limits.ts';

/** The header of a message. Names are given in lower case and found in any case. */
export interface HeaderBlock {
  has(name: string): boolean;
  /** The value of the first field of that name, unfolded and without white space at its ends. */
  first(name: string): string | undefined;
  /** Offset of the first body octet; the message's length when there is no body. */
  readonly bodyStart: number;
}

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
 * fields hides none of them. Without an empty line everything is header.
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
    if (next > limit) break;
    if (octet === SPACE || octet === TAB) {
      // " boundary=b" continues the field above it
      if (inField) fields[fields.length - 1] = next;
    } else {
      // "Subject: Hello", or "Subject : Hello" (RFC 5322 section 4.5.8)
      const colon = findColon(message, at, next);
      inField = colon !== -1 && fields.length < MAX_HEADER_FIELDS * 3;
      if (inField) fields.push(at, colon, next);
    }
    at = next;
  }
  return new IndexedHeader(message, fields, findBody(message, at));
}

function findColon(message: Buffer, start: number, end: number): number {
  for (let at = start; at < end; at++) if (message[at] === COLON) return at;
  return -1;
}

/** Where the body starts, for a header that is longer than what is read of it. */
function findBody(message: Buffer, lineStart: number): number {
  const bare = message.indexOf('\n\n', lineStart);
  const crlf = message.indexOf('\n\r\n', lineStart);
  if (bare !== -1 && (crlf === -1 || bare < crlf)) return bare + 2;
  return crlf === -1 ? message.length : crlf + 3;
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

  #find(name: string): number {
    for (let field = 0; field < this.#fields.length; field += 3) {
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

  #value(field: number): string {
    let start = (this.#fields[field + 1] as number) + 1;
    let end = this.#fields[field + 2] as number;
    if (end - start > MAX_VALUE_OCTETS) {
      end = start + MAX_VALUE_OCTETS;
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
