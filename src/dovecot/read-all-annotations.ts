import { DoveadmCommandError, type DoveadmClient, type DoveadmRow } from './doveadm-client.ts';
import type { DictEntry } from './file-dict.ts';
import { createListMailboxGuids, type MailboxGuid } from './mailbox-guids.ts';

export interface AllAnnotations {
  /** Named as in the dict itself, `priv/<GUID>/comment`. */
  entries: DictEntry[];
  /** Annotations that could not be read as they are, and why. */
  problems: { key: string; reason: string }[];
}

/** Calls in one request; each is cheap, and a request has a deadline. */
const BATCH = 50;

/**
 * Entries that Dovecot computes: a list names them, but they are not in the dict. Those that end in a
 * slash stand for whole families of them.
 *
 * @see Dovecot src/lib-storage/mailbox-attribute-internal.c
 */
const COMPUTED = /\/$|^shared\/[^/]+\/vendor\/vendor\.dovecot\/pvt\/server\/(?:admin|comment)$/;

/**
 * Reads everything that one user has in Dovecot's attribute dict, whatever kind of dict that is,
 * mailbox by mailbox over the doveadm API. Other plugins' internal entries are among it.
 *
 * Some things get lost on this road: annotations of mailboxes that are gone; empty values, because a
 * list also names some entries that nobody has set, and both read as empty; and octets that are not
 * UTF-8, which the API replaces by U+FFFD. The last are named in `problems`. What Dovecot takes from
 * its configuration where nothing is set (`specialuse`, `comment`) comes along.
 *
 * @throws NotFoundError Dovecot knows no such user
 * @throws DoveadmCommandError, UnavailableError
 */
export function createReadAllAnnotations(
  doveadm: DoveadmClient,
): (user: string) => Promise<AllAnnotations> {
  const listMailboxes = createListMailboxGuids(doveadm);

  async function runBatched(
    name: string,
    parameters: readonly Record<string, string | boolean>[],
  ): Promise<DoveadmRow[][]> {
    const answers: DoveadmRow[][] = [];
    for (let from = 0; from < parameters.length; from += BATCH) {
      const batch = parameters.slice(from, from + BATCH);
      for (const answer of await doveadm.runAll(batch.map((one) => ({ name, parameters: one })))) {
        if (answer instanceof DoveadmCommandError) throw answer;
        answers.push(answer);
      }
    }
    return answers;
  }

  return async (user) => {
    const mailboxes = await listMailboxes(user);
    const lists = await runBatched(
      'mailboxMetadataList',
      mailboxes.map(({ mailbox }) => ({ user, mailbox, prependPrefix: true })),
    );
    const found = mailboxes.flatMap((place, index) => namesIn(place, lists[index] ?? []));
    const answers = await runBatched(
      'mailboxMetadataGet',
      found.map(({ mailbox, name }) => ({ user, mailbox, key: name })),
    );
    const result: AllAnnotations = { entries: [], problems: [] };
    for (const [index, { key }] of found.entries()) {
      const value = answers[index]?.[0]?.['value'] ?? '';
      if (value.includes('\ufffd') || key.includes('\ufffd')) {
        const reason = 'it is not UTF-8; import it from the file of the dict';
        result.problems.push({ key, reason });
      } else if (value !== '') {
        result.entries.push({ key, value: Buffer.from(value) });
      }
    }
    return result;
  };
}

/** A list names some entries more than once. */
function namesIn(
  { mailbox, guid }: MailboxGuid,
  rows: readonly DoveadmRow[],
): { mailbox: string; name: string; key: string }[] {
  const names = [...new Set(rows.map(({ key = '' }) => key))];
  return names
    .map((name) => ({ mailbox, name, key: toDictKey(name, guid) }))
    .filter(({ key }) => !COMPUTED.test(key));
}

/** `/private/comment` → `priv/<GUID>/comment` (Dovecot src/lib-storage/mailbox-attribute.h). */
const toDictKey = (name: string, guid: string): string =>
  name.startsWith('/private/')
    ? `priv/${guid}/${name.slice('/private/'.length)}`
    : `shared/${guid}/${name.slice('/shared/'.length)}`;
