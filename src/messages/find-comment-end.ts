/**
 * The index of the parenthesis that closes the comment opening at `start`, or -1 when none does.
 * Comments nest, and a backslash quotes what follows it (RFC 5322 section 3.2.2).
 */
export function findCommentEnd(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const char = text[at];
    if (char === '\\') at++;
    else if (char === '(') depth++;
    else if (char === ')' && --depth === 0) return at;
  }
  return -1;
}
