import { hash } from 'node:crypto';
import { normaliseAddress, removeQuotes } from '../messages/normalise-address.ts';
import type { HeaderBlock } from '../messages/parse-header-block.ts';
import { parseMailboxes } from '../messages/parse-mailboxes.ts';

/** What a contact storage message tells the server (coi-client-spec, "Contact Storage Messages"). */
export interface Contact {
  /** Hashes of the contact's addresses, as {@link hashAddress} makes them; none for other messages. */
  hashes: string[];
  blocked: boolean;
}

const SHA3_256_HEX = /^[0-9a-f]{64}$/;

/**
 * Reads a message of the Contacts folder. `COI-From-Hash` is repeated for each address; of
 * `COI-Blocked` only the presence counts ("The actual content of this header field is ignored").
 */
export function readContact(headers: HeaderBlock): Contact {
  const hashes = headers.all('coi-from-hash').map((value) => value.toLowerCase());
  return {
    hashes: hashes.filter((value) => SHA3_256_HEX.test(value)),
    blocked: headers.has('coi-blocked'),
  };
}

/** SHA3-256 of the normalised address in UTF-8, as lower-case hex. */
export const hashAddress = (address: string): string => hash('sha3-256', normaliseAddress(address));

/**
 * The hashes under which the sender of a message may be stored. More than one: a From field can
 * name several addresses, of which each counts, or blocking could be got around by adding one; and a
 * client may have hashed a punycode domain as it came.
 */
export function senderHashes(headers: HeaderBlock): string[] {
  const hashes = new Set<string>();
  for (const { address } of parseMailboxes(headers.first('from') ?? '')) {
    if (address === '') continue;
    hashes.add(hashAddress(address));
    if (/@(?:.*\.)?xn--/i.test(address)) {
      hashes.add(hash('sha3-256', removeQuotes(address).toLowerCase()));
    }
  }
  return [...hashes];
}

/** Whether a message comes from one of the contacts whose hashes are in `blocked`. */
export const isFromBlocked = (headers: HeaderBlock, blocked: ReadonlySet<string>): boolean =>
  blocked.size > 0 && senderHashes(headers).some((value) => blocked.has(value));
