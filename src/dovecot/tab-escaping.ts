/**
 * Dovecot's way to put any octets into tab-separated lines (src/lib/strescape.c): `\x01` followed by
 * one letter stands for an octet that would end a field or a line, or for `\x01` itself.
 */
const ESCAPE = 0x01;
const TAB = 0x09;

/** What follows the escape, by the octet it stands for. */
const LETTERS = new Map([
  [0x00, 0x30],
  [ESCAPE, 0x31],
  [TAB, 0x74],
  [0x0a, 0x6e],
  [0x0d, 0x72],
]);
/** By octet: the letter to write after the escape, or zero when the octet stands for itself. */
const ESCAPED = table((octet) => LETTERS.get(octet) ?? 0);
/** By letter: the octet it stands for. Dovecot reads an unknown letter as itself. */
const UNESCAPED = table((letter) => {
  for (const [octet, known] of LETTERS) if (known === letter) return octet;
  return letter;
});

/** Octets that `value` takes when escaped. */
export function escapedLength(value: Uint8Array): number {
  let length = value.length;
  for (const octet of value) if (ESCAPED[octet] !== 0) length++;
  return length;
}

/**
 * Writes `value` escaped into `target` from `at` on, where {@link escapedLength} octets are free.
 *
 * @returns the place after the last octet written
 */
export function writeEscaped(target: Uint8Array, at: number, value: Uint8Array): number {
  let to = at;
  for (const octet of value) {
    const letter = ESCAPED[octet] ?? 0;
    if (letter === 0) {
      target[to++] = octet;
    } else {
      target[to++] = ESCAPE;
      target[to++] = letter;
    }
  }
  return to;
}

/** `value` escaped: itself when it has nothing to escape, else a copy. */
export function tabEscape(value: Buffer): Buffer {
  const length = escapedLength(value);
  if (length === value.length) return value;
  const escaped = Buffer.allocUnsafe(length);
  writeEscaped(escaped, 0, value);
  return escaped;
}

/** The octets that `field` stands for: itself when nothing is escaped in it, else a copy. */
export function tabUnescape(field: Buffer): Buffer {
  const first = field.indexOf(ESCAPE);
  if (first === -1) return field;
  const plain = Buffer.allocUnsafe(field.length);
  field.copy(plain, 0, 0, first);
  let to = first;
  for (let from = first; from < field.length; from++) {
    const octet = field[from] ?? 0;
    if (octet !== ESCAPE) {
      plain[to++] = octet;
    } else if (++from < field.length) {
      plain[to++] = UNESCAPED[field[from] ?? 0] ?? 0;
    } // else the line ends in a lone escape, which stands for nothing
  }
  return plain.subarray(0, to);
}

/** The fields of `line` from `start` on, unescaped; views of the line where nothing was escaped. */
export function splitTabEscaped(line: Buffer, start = 0): Buffer[] {
  const escaped = line.includes(ESCAPE, start);
  const fields: Buffer[] = [];
  for (let from = start; ;) {
    const tab = line.indexOf(TAB, from);
    const field = line.subarray(from, tab === -1 ? line.length : tab);
    fields.push(escaped ? tabUnescape(field) : field);
    if (tab === -1) return fields;
    from = tab + 1;
  }
}

function table(entry: (octet: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, octet) => entry(octet));
}
