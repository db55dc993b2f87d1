const ALPHABETS = /^(?:[0-9A-Za-z+/]*|[0-9A-Za-z_-]*)={0,2}$/;

/**
 * The octets of base64 or base64url text (RFC 4648 sections 4 and 5), padded or not.
 *
 * Clients send all four forms, and Android's default one breaks lines as MIME does (RFC 2045 section
 * 6.8), behind the last octet too. Node's own decoder would also take spaces and junk in between.
 *
 * @returns undefined when the text is none of them
 */
export function decodeBase64(text: string): Buffer | undefined {
  const joined = text.trim().replaceAll(/\r?\n/g, '');
  if (!ALPHABETS.test(joined)) return undefined;
  const digits = joined.replace(/={1,2}$/, '');
  const padding = joined.length - digits.length;
  if (digits.length % 4 === 1 || (padding > 0 && joined.length % 4 !== 0)) return undefined;
  return Buffer.from(digits, 'base64url');
}
