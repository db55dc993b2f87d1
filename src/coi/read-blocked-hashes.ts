import { DoveadmCommandError, type DoveadmClient } from '../dovecot/doveadm-client.ts';
import { selectMailbox } from '../dovecot/select-mailbox.ts';
import { readHashes } from './blocked-contact.ts';
import type { CoiFolderNames } from './folders.ts';

/** The hashes of the addresses of all contacts that a user has blocked. */
export type ReadBlockedHashes = (user: string) => Promise<ReadonlySet<string>>;

const HASH = 'hdr.coi-from-hash';
const BLOCKED = 'hdr.coi-blocked';

/** Beyond reason for a person; what lies beyond is not seen. */
const MOST_HASHES = 10_000;

/**
 * Reads Contacts: of its messages only those with a `COI-Blocked` field, "the actual content of this
 * header field is ignored", and of those only `COI-From-Hash`. Dovecot keeps both in its cache, so
 * that no message is opened twice. The search for the field is answered by the full-text index where
 * there is one, and fts_xapian knows nothing of it: so those whose field has a value are picked here as
 * well. One that is there twice, merged or not, is blocked if one of
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
    const selected = await selectMailbox(doveadm, user, contacts);
    const commands = [['header', 'coi-blocked', ''], ['all']].map((criteria) => ({
      name: 'fetch',
      parameters: { user, field: [HASH, BLOCKED], query: [...selected, ...criteria] },
    }));
    const [found, all] = (await doveadm.runAll(commands)).map((rows) => {
      if (rows instanceof DoveadmCommandError) throw rows;
      return rows;
    });
    const blocked = [...(found ?? []), ...(all ?? []).filter((row) => row[BLOCKED])];
    // Several fields of that name come as lines.
    const values = blocked.flatMap((row) => row[HASH]?.split('\n') ?? []);
    return new Set([...new Set(readHashes(values))].slice(0, MOST_HASHES));
  };
}
