/**
 * Text that is fit to be shown on one line: control characters and line separators become a space
 * (encoded words can smuggle them in), lone surrogates U+FFFD, and no white space is at its ends.
 */
export const cleanText = (text: string): string =>
  text.toWellFormed().replaceAll(NOT_SHOWN, ' ').trim();

const NOT_SHOWN = /[\p{Cc}\u2028\u2029]+/gu;
