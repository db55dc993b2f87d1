import { isUtf8 } from 'node:buffer';

const NOT_ASCII = /[\u0080-\u00ff]/;
const windows1252 = new TextDecoder('windows-1252');

/**
 * Header octets as text, always well-formed: UTF-8 (RFC 6532) where they are that, else
 * windows-1252, which is what unlabelled 8-bit headers mostly turn out to be.
 */
export function decodeOctets(octets: Buffer, start = 0, end = octets.length): string {
  const text = octets.toString('latin1', start, end);
  if (!NOT_ASCII.test(text)) return text;
  const part = octets.subarray(start, end);
  return isUtf8(part) ? part.toString('utf8') : windows1252.decode(part);
}
