import { domainToUnicode } from 'node:url';

/**
 * The form of an address that contact hashes are made of (coi-client-spec, "Contact Storage Message
 * Headers": "removing quotes, using UTF-8 and lowercasing the email address"). A punycode domain is
 * written in UTF-8 too, so that `x@xn--bcher-kva.example` and `x@bücher.example` are one address.
 */
export function normaliseAddress(address: string): string {
  const at = address.lastIndexOf('@');
  const domain = address.slice(at + 1);
  // domainToUnicode answers '' to what is no domain.
  const readable = /(?:^|\.)xn--/i.test(domain) ? domainToUnicode(domain) || domain : domain;
  return removeQuotes(address.slice(0, at + 1) + readable).toLowerCase();
}

/** `"john doe"@example.org` is `john doe@example.org`, and what a backslash quotes loses it. */
export const removeQuotes = (address: string): string =>
  address.includes('"') ? address.replaceAll(/\\(.)|"/gs, '$1') : address;
