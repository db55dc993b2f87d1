const ALPHABETS = /^(?:[0-9A-Za-z+/]*|[0-9A-Za-z_-]*)={0,2}$/;

/**
 * The octets of base64 or base64url text (RFC 4648 sections 4 and 5), padded or not.
 *
 * Clients send all four forms; Node's own decoder would also take spaces and junk in between.
 *
 * @returns undefined when the text is none of them
 */
export function decodeBase64(text: string): Buffer | undefined {
  if (!ALPHABETS.test(text)) return undefined;
  const digits = text.replace(/={1,2}$/, '');
  const padding = text.length - digits.length;
  if (digits.length % 4 === 1 || (padding > 0 && text.length % 4 !== 0)) return undefined;
  return Buffer.from(digits, 'base64url');
}
