import { findCommentEnd } from './find-comment-end.ts';

/**
 * `text` with each comment replaced by a space; one that never closes runs to the end. For values
 * without quoted strings, such as dates and transfer encodings.
 */
export function stripComments(text: string): string {
  let kept = '';
  let from = 0;
  for (let open = text.indexOf('('); open !== -1; open = text.indexOf('(', from)) {
    kept += `${text.slice(from, open)} `;
    const close = findCommentEnd(text, open);
    if (close === -1) return kept;
    from = close + 1;
  }
  return kept + text.slice(from);
}
