import { hash } from 'node:crypto';
import { normaliseAddress, removeQuotes } from '../messages/normalise-address.ts';
import { parseMailboxes } from '../messages/parse-mailboxes.ts';

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
 * The hashes under which the sender of a message may be stored. More than one: a From field can
 * name several addresses, of which each counts, or blocking could be got around by adding one; and a
 * client may have hashed a punycode domain as it came.
 *
 * @param from the value of the From field
 */
export function senderHashes(from: string): string[] {
  const hashes = new Set<string>();
  for (const { address } of parseMailboxes(from)) {
    if (address === '') continue;
    hashes.add(hashAddress(address));
    if (/@(?:.*\.)?xn--/i.test(address)) {
      hashes.add(hash('sha3-256', removeQuotes(address).toLowerCase()));
    }
  }
  return [...hashes];
}

/** Whether a message comes from one of the contacts whose hashes are in `blocked`. */
export const isFromBlocked = (from: string, blocked: ReadonlySet<string>): boolean =>
  blocked.size > 0 && senderHashes(from).some((value) => blocked.has(value));
