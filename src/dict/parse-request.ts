import { isUtf8 } from 'node:buffer';
import { splitTabEscaped } from '../dovecot/tab-escaping.ts';
import type { IterateOptions } from './dict-backend.ts';
import { DictProtocolError } from './dict-protocol-error.ts';

/** A line of Dovecot's dict client (src/lib-dict/dict-client.h, dict_protocol_cmd). */
export type DictRequest =
  | { command: 'hello'; major: number; minor: number; user: string; dict: string }
  | { command: 'lookup'; key: Text; user: Text }
  | { command: 'iterate'; options: IterateOptions; maxRows: number; path: Text; user: Text }
  | { command: 'begin'; id: number; user: Text; expireSecs: number }
  | { command: 'set'; id: number; key: Text; value: Buffer }
  | { command: 'unset'; id: number; key: Text }
  | { command: 'increment'; id: number; key: Text; by: number }
  | { command: 'commit'; id: number; async: boolean }
  | { command: 'rollback'; id: number }
  /** Says something about the transaction that nothing here depends on. */
  | { command: 'note'; id: number };

/** Undefined when the octets are not UTF-8: such a key could not be given back unchanged. */
export type Text = string | undefined;

const ZERO = 0x30;
const MINUS = 0x2d;
/** Those of the largest uint64, which Dovecot takes for the most rows. */
const MAX_DIGITS = 20;

const ITERATE_FLAGS = {
  recurse: 0x01,
  sortByKey: 0x02,
  sortByValue: 0x04,
  noValue: 0x08,
  exactKey: 0x10,
};

/** @throws DictProtocolError the line is none that Dovecot would send */
export function parseRequest(line: Buffer): DictRequest {
  const letter = String.fromCharCode(line[0] ?? 0);
  const fields = splitTabEscaped(line, 1);
  const [first, second, third, fourth, fifth] = fields;
  switch (letter) {
    case 'L': // L<key>\t<user>
      return { command: 'lookup', key: text(first), user: text(second) };
    case 'I': // I<flags>\t<max rows>\t<path>\t<user>
      if (!third) throw broken(letter, 'a path');
      return {
        command: 'iterate',
        options: iterateOptions(natural(letter, first)),
        maxRows: count(letter, second),
        path: text(third),
        user: text(fourth),
      };
    case 'B': // B<id>\t<user>[\t<expire>], the third from 2.4 on
      return {
        command: 'begin',
        id: natural(letter, first),
        user: text(second),
        expireSecs: third ? natural(letter, third) : 0,
      };
    case 'S': // S<id>\t<key>\t<value>
      if (!second || !third) throw broken(letter, 'key and value');
      return { command: 'set', id: natural(letter, first), key: text(second), value: third };
    case 'U': // U<id>\t<key>
      if (!second) throw broken(letter, 'a key');
      return { command: 'unset', id: natural(letter, first), key: text(second) };
    case 'A': // A<id>\t<key>\t<diff>
      if (!second) throw broken(letter, 'a key');
      return {
        command: 'increment',
        id: natural(letter, first),
        key: text(second),
        by: whole(letter, third),
      };
    case 'C': // C<id>
    case 'D': // D<id>: a commit whose reply begins with A; in the protocol until 2.3, never sent
      return { command: 'commit', id: natural(letter, first), async: letter === 'D' };
    case 'R': // R<id>
      return { command: 'rollback', id: natural(letter, first) };
    case 'T': // T<id>\t<secs>\t<nsecs>: when the change took place, for Cassandra
    case 'V': // V<id>\t<yes|no>: not to log the values, which never happens here; from 2.4 on
      return { command: 'note', id: natural(letter, first) };
    case 'H': // H<major>\t<minor>\t<value type>\t<user>\t<dict name>
      if (!fifth) throw broken(letter, 'five fields');
      return {
        command: 'hello',
        major: natural(letter, first),
        minor: natural(letter, second),
        user: text(fourth) ?? '',
        dict: text(fifth) ?? '',
      };
    default:
      throw new DictProtocolError(`unknown command ${JSON.stringify(letter)}`);
  }
}

/** The transaction that a line too long to be read belongs to, or undefined when to none. */
export function transactionOfHead(head: Buffer): number | undefined {
  const [, id] = /^[SUA](\d{1,10})\t/.exec(head.toString('latin1')) ?? [];
  return id === undefined ? undefined : Number(id);
}

function iterateOptions(flags: number): IterateOptions {
  const has = (flag: keyof typeof ITERATE_FLAGS) => (flags & ITERATE_FLAGS[flag]) !== 0;
  return {
    recurse: has('recurse'),
    exactKey: has('exactKey'),
    noValue: has('noValue'),
    sort: has('sortByKey') ? 'key' : has('sortByValue') ? 'value' : 'no',
  };
}

function text(field: Buffer | undefined): Text {
  if (field === undefined) return '';
  const decoded = field.toString('utf8');
  return decoded.includes('\ufffd') && !isUtf8(field) ? undefined : decoded;
}

function natural(letter: string, field: Buffer | undefined): number {
  const value = count(letter, field);
  if (value > Number.MAX_SAFE_INTEGER) throw broken(letter, 'a number below 2^53');
  return value;
}

/** A number that need not be exact when it is large. */
function count(letter: string, field: Buffer | undefined): number {
  if (!field || field.length === 0 || field.length > MAX_DIGITS) throw broken(letter, 'a number');
  let value = 0;
  for (const octet of field) {
    if (octet < ZERO || octet > ZERO + 9) throw broken(letter, 'a number');
    value = value * 10 + (octet - ZERO);
  }
  return value;
}

function whole(letter: string, field: Buffer | undefined): number {
  return field?.[0] === MINUS ? -natural(letter, field.subarray(1)) : natural(letter, field);
}

const broken = (letter: string, what: string) =>
  new DictProtocolError(`command ${letter} without ${what}`);
