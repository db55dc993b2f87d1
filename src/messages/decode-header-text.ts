import libmime from 'libmime';
import { cleanText } from './clean-text.ts';

/**
 * An unstructured value such as a Subject's, with its encoded words (RFC 2047) decoded. Those in utf-7,
 * iso-2022-kr, iso-2022-cn and hz-gb-2312, which hardly anybody uses any more, stay as they are.
 */
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
