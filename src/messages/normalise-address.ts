import { domainToUnicode } from 'node:url';

/**
 * The form of an address that contact hashes are made of (coi-client-spec, "Contact Storage Message
 * Headers": "removing quotes, using UTF-8 and lowercasing the email address"). Further ways to write
 * one address come to the same: a domain in punycode, in other characters that IDNA maps to it (UTS
 * #46), or with dots that nothing stands between, such as that of the root; decomposed letters;
 * characters that nobody sees.
 */
export function normaliseAddress(address: string): string {
  const shown = removeQuotes(address).normalize('NFC').replaceAll(UNSEEN, '');
  const at = shown.lastIndexOf('@');
  return (shown.slice(0, at + 1) + normaliseDomain(shown.slice(at + 1))).toLowerCase();
}

function normaliseDomain(domain: string): string {
  const plain = domain.split(DOT).filter(Boolean).join('.');
  // domainToUnicode answers '' to what is no domain.
  return NEEDS_IDNA.test(plain) ? domainToUnicode(plain) || plain : plain;
}

/** UTS #46, section 2.3. */
const DOT = /[.\u3002\uff0e\uff61]/u;

const UNSEEN = /[\p{Cc}\p{Cf}]/gu;
const NEEDS_IDNA = /[^\p{ASCII}]|(?:^|\.)xn--/iu;

/** `"john doe"@example.org` is `john doe@example.org`, and what a backslash quotes loses it. */
export const removeQuotes = (address: string): string =>
  address.includes('"') ? address.replaceAll(/\\(.)|"/gs, '$1') : address;
