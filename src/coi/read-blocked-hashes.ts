import type { DoveadmClient } from '../dovecot/doveadm-client.ts';
import { readHashes } from './blocked-contact.ts';
import type { CoiFolderNames } from './folders.ts';

/** The hashes of the addresses of all contacts that a user has blocked. */
export type ReadBlockedHashes = (user: string) => Promise<ReadonlySet<string>>;

/** Beyond reason for a person; what lies beyond is not seen. */
const MOST_HASHES = 10_000;

/**
 * Reads Contacts: of its messages only those with a `COI-Blocked` field, "the actual content of this
 * header field is ignored", and of those only `COI-From-Hash`. Dovecot keeps both in its cache, so
 * that no message is opened twice. One that is there twice, merged or not, is blocked if one of
 * both is ("Merging Contact Storage Messages": "All other headers are preserved").
 *
 * @throws UnavailableError Dovecot does not answer
 * @throws DoveadmCommandError it refused
 */
export function createReadBlockedHashes(
  doveadm: DoveadmClient,
  { contacts }: CoiFolderNames,
): ReadBlockedHashes {
  return async (user) => {
    const rows = await doveadm.run({
      name: 'fetch',
      parameters: {
        user,
        field: ['hdr.coi-from-hash'],
        query: ['mailbox', contacts, 'header', 'coi-blocked', ''],
      },
    });
    // Several fields of that name come as lines.
    const values = rows.flatMap((row) => row['hdr.coi-from-hash']?.split('\n') ?? []);
    return new Set(readHashes(values).slice(0, MOST_HASHES));
  };
}
