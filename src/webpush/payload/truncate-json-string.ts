export const ELLIPSIS = '\u{2026}';

/**
 * `text`, or as much of its beginning as takes at most `octets` octets within the quotes of a JSON
 * string in UTF-8, followed by an ellipsis. Cuts between characters only, hence never within a UTF-8
 * sequence or an escape.
 *
 * @param text well-formed, as no JSON in UTF-8 can carry lone surrogates
 */
export function truncateJsonString(text: string, octets: number): string {
  let used = 0;
  let at = 0;
  while (at < text.length) {
    const char = text.codePointAt(at) as number;
    used += jsonOctetsOf(char);
    if (used > octets) return text.slice(0, at) + ELLIPSIS;
    at += char > 0xffff ? 2 : 1;
  }
  return text;
}

/** Whether `text` takes at most `octets` octets within the quotes of a JSON string. */
export const fitsJsonString = (text: string, octets: number): boolean =>
  text.length <= octets && truncateJsonString(text, octets) === text;

/** What JSON.stringify makes of one character, in octets of UTF-8. */
function jsonOctetsOf(char: number): number {
  if (char < 0x20) return SHORT_ESCAPES.includes(char) ? 2 : 6;
  if (char === 0x22 || char === 0x5c) return 2;
  if (char < 0x80) return 1;
  if (char < 0x800) return 2;
  return char < 0x10000 ? 3 : 4;
}

/** \b \t \n \f \r; the other controls are written as \uXXXX. */
const SHORT_ESCAPES = [0x08, 0x09, 0x0a, 0x0c, 0x0d];
