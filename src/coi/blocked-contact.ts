import { hash } from 'node:crypto';
import { domainToASCII } from 'node:url';
import { MAX_FROM_FIELDS, MAX_FROM_OCTETS, MAX_SENDERS } from '../messages/limits.ts';
import { normaliseAddress, removeQuotes } from '../messages/normalise-address.ts';
import { parseMailboxes } from '../messages/parse-mailboxes.ts';
import { scanAddresses } from '../messages/scan-addresses.ts';

const SHA3_256_HEX = /^[0-9a-f]{64}$/;

/**
 * The hashes of a contact's addresses, as {@link hashAddress} makes them, from the values of its
 * `COI-From-Hash` fields: one for each address (coi-client-spec, "Contact Storage Message Headers").
 */
export const readHashes = (values: readonly string[]): string[] =>
  values.map((value) => value.trim().toLowerCase()).filter((value) => SHA3_256_HEX.test(value));

/** SHA3-256 of the normalised address in UTF-8, as lower-case hex. */
export const hashAddress = (address: string): string => hash('sha3-256', normaliseAddress(address));

/**
 * The hashes under which the sender of a message may be stored. More than one: From fields can name
 * several addresses, of which each counts, or blocking could be got around by adding one; and a client
 * may have hashed an address as it came, or its domain in punycode.
 *
 * @param from the values of the From fields
 * @returns undefined when there is more in them than anyone reads
 */
export function senderHashes(from: readonly string[]): Set<string> | undefined {
  const hashes = new Set<string>();
  if (from.length > MAX_FROM_FIELDS) return undefined;
  for (const value of from) {
    const shown = parseMailboxes(value);
    const scanned = value === shown[0]?.address ? [] : scanAddresses(value, MAX_SENDERS);
    if (scanned === undefined || value.length > MAX_FROM_OCTETS) return undefined;
    const addresses = [...shown.map(({ address }) => address), ...scanned];
    for (const address of new Set(addresses)) if (address !== '') addHashes(hashes, address);
  }
  return hashes;
}

function addHashes(hashes: Set<string>, address: string): void {
  const normal = normaliseAddress(address);
  const asItCame = removeQuotes(address).toLowerCase();
  const at = normal.lastIndexOf('@') + 1;
  const isAscii = /^[\0-\x7f]*$/.test(normal);
  const ascii = isAscii ? normal : normal.slice(0, at) + domainToASCII(normal.slice(at));
  for (const form of new Set([normal, asItCame, ascii])) hashes.add(hash('sha3-256', form));
}

/**
 * Whether a message comes from one of the contacts whose hashes are in `blocked`. So does one of which
 * that cannot be told: no person writes such a From field, and it would be the way around every block.
 */
export function isFromBlocked(from: readonly string[], blocked: ReadonlySet<string>): boolean {
  if (blocked.size === 0) return false;
  const hashes = senderHashes(from);
  return hashes === undefined || [...hashes].some((one) => blocked.has(one));
}
