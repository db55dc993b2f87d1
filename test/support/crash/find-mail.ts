import type { PrivateDovecot } from '../../../src/cli/demo/private-dovecot.ts';
import type { SentMail } from './deliver-under-fire.ts';

/** Where the mail is in the end, by Message-ID. */
export interface FoundMail {
  missing: string[];
  /** In more than one place. */
  twice: string[];
  /** Chat outside Chats, or mail outside INBOX. */
  misplaced: string[];
}

const HOME = { chat: 'COI/Chats', mail: 'INBOX' } as const;

/** Looks for every message in all mailboxes of its user. */
export async function findMail(
  dovecot: PrivateDovecot,
  sent: readonly SentMail[],
): Promise<FoundMail> {
  const found: FoundMail = { missing: [], twice: [], misplaced: [] };
  for (const [user, mails] of Map.groupBy(sent, (mail) => mail.user)) {
    const places = await listMail(dovecot, user);
    for (const { id, kind } of mails) {
      const in_ = places.get(id) ?? [];
      if (in_.length === 0) found.missing.push(id);
      if (in_.length > 1) found.twice.push(id);
      if (in_.some((mailbox) => mailbox !== HOME[kind])) found.misplaced.push(id);
    }
  }
  return found;
}

async function listMail(dovecot: PrivateDovecot, user: string): Promise<Map<string, string[]>> {
  const { stdout } = await dovecot.runDoveadm([
    ...['-f', 'tab', 'fetch', '-u', user],
    ...['mailbox hdr.message-id', 'mailbox', '*', 'all'],
  ]);
  const places = new Map<string, string[]>();
  for (const line of stdout.split('\n').slice(1)) {
    const [mailbox = '', id = ''] = line.split('\t');
    const name = /<(.*)>/.exec(id)?.[1];
    if (name !== undefined) places.set(name, [...(places.get(name) ?? []), mailbox]);
  }
  return places;
}
