import { findCommentEnd } from './find-comment-end.ts';

/**
 * Takes the index of a `(` or `"` and gives the index behind the comment or quoted string that opens
 * there; behind the character itself when it never closes.
 */
export type Skip = (start: number) => number;

/**
 * A {@link Skip} over `text`. After one comment or string that never closes it looks for no further
 * one of its kind, or a value full of them would be scanned to its end again and again.
 */
export function createSkipper(text: string): Skip {
  let commentsClose = true;
  let quotesClose = true;
  return (start) => {
    let end = -1;
    if (text[start] === '(' && commentsClose) {
      end = findCommentEnd(text, start);
      commentsClose = end !== -1;
    } else if (text[start] === '"' && quotesClose) {
      end = findQuoteEnd(text, start);
      quotesClose = end !== -1;
    }
    return end === -1 ? start + 1 : end + 1;
  };
}

function findQuoteEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '"') return at;
  }
  return -1;
}
