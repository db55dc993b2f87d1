import { escapedLength, tabEscape, writeEscaped } from '../dovecot/tab-escaping.ts';
import type { StoreEntry } from '../stores/store.ts';

/**
 * A reply, complete with line feeds, once it is known what its lines begin with: nothing, or
 * `+<id>\t` (see {@link ReplyQueue}).
 */
export type Reply = (prefix: string) => Buffer;

const LF = 0x0a;
const TAB = 0x09;
/** Errors end up in a log line of Dovecot's. */
const MAX_ERROR_LENGTH = 500;

/** `O<value>` */
export const foundReply =
  (value: Buffer, timing: string): Reply =>
  (prefix) => {
    const head = `${prefix}O`;
    const length = escapedLength(value);
    const line = Buffer.allocUnsafe(head.length + length + timing.length + 1);
    let at = line.write(head, 'latin1');
    at = length === value.length ? at + value.copy(line, at) : writeEscaped(line, at, value);
    at += line.write(timing, at, 'latin1');
    line[at] = LF;
    return line;
  };

/** `N`, or the reply to a commit: `O<id>`, `N<id>` */
export const plainReply =
  (answer: string, timing: string): Reply =>
  (prefix) =>
    Buffer.from(`${prefix}${answer}${timing}\n`, 'latin1');

/** `F<error>`, `F<id>\t<error>`, or `W<id>\t<error>`: nobody can tell whether it was written */
export const failedReply = (head: string, error: string, timing: string): Reply => {
  // Dovecot unescapes the error of a commit twice: control characters would not arrive.
  const text = error.replace(/\p{Cc}+/gu, ' ').slice(0, MAX_ERROR_LENGTH);
  return (prefix) => Buffer.from(`${prefix}${head}${text}${timing}\n`, 'utf8');
};

/** `O<key>\t<value>` for each row, the value left empty on demand; with `timing` also the last, empty line */
export const rowsReply =
  (rows: readonly StoreEntry[], noValue: boolean, timing?: string): Reply =>
  (prefix) => {
    const head = Buffer.from(`${prefix}O`, 'latin1');
    const last = Buffer.from(timing === undefined ? '' : `${prefix}${timing}\n`, 'latin1');
    const keys = rows.map(({ key }) => tabEscape(Buffer.from(key)));
    let length = last.length;
    for (const [index, { value }] of rows.entries()) {
      length += head.length + (keys[index]?.length ?? 0) + 2 + (noValue ? 0 : escapedLength(value));
    }
    const lines = Buffer.allocUnsafe(length);
    let at = 0;
    for (const [index, { value }] of rows.entries()) {
      at += head.copy(lines, at);
      at += keys[index]?.copy(lines, at) ?? 0;
      lines[at++] = TAB;
      if (!noValue) at = writeEscaped(lines, at, value);
      lines[at++] = LF;
    }
    last.copy(lines, at);
    return lines;
  };
