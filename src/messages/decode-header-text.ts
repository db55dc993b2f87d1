import libmime from 'libmime';
import { cleanText } from './clean-text.ts';

/** An unstructured value such as a Subject's, with its encoded words (RFC 2047) decoded. */
export const decodeHeaderText = (value: string): string =>
  cleanText(value.includes('=?') ? decodeWords(value) : value);

function decodeWords(value: string): string {
  try {
    return libmime.decodeWords(value);
  } catch {
    // The charset decoders behind it are third parties' and see hostile input.
    return value;
  }
}
