import type { DoveadmClient } from '../../../dovecot/doveadm-client.ts';
import { selectMailbox } from '../../../dovecot/select-mailbox.ts';

/** A message and where it is. */
export interface FoundMessage {
  mailbox: string;
  uid: string;
  /** Flags and keywords. */
  flags: string[];
}

/** What a trip does to a scratch user's mailboxes, through the doveadm API. */
export interface ScratchMailboxes {
  list: () => Promise<Set<string>>;
  /** What the next message of each mailbox will be called. */
  next: () => Promise<ReadonlyMap<string, number>>;
  /**
   * Every copy of the message with that Message-ID that came after `since` was asked for. It is looked at
   * what is there: engines of full text search do not find every Message-ID (fts_xapian: none with "$").
   */
  find: (messageId: string, since: ReadonlyMap<string, number>) => Promise<FoundMessage[]>;
  expunge: (message: FoundMessage) => Promise<void>;
  /** Deletes those that hold no message; the deepest first. @throws Error naming the others */
  removeEmpty: (mailboxes: readonly string[]) => Promise<void>;
}

export function openScratchMailboxes(doveadm: DoveadmClient, user: string): ScratchMailboxes {
  const list = async (): Promise<Set<string>> => {
    const parameters = { user, mailboxMask: ['*'] };
    const rows = await doveadm.run({ name: 'mailboxList', parameters });
    return new Set(rows.map(({ mailbox = '' }) => mailbox));
  };

  /** Of all that can be opened; a mailbox that only holds others has none. */
  const status = async (field: 'messages' | 'uidnext'): Promise<Map<string, number>> => {
    const parameters = { user, mailboxMask: ['*'], field: [field] };
    const rows = await doveadm.run({ name: 'mailboxStatus', parameters });
    return new Map(rows.map(({ mailbox = '', [field]: value }) => [mailbox, Number(value)]));
  };
  const next = () => status('uidnext');

  return {
    list,
    next,
    find: async (messageId, since) => {
      const found: FoundMessage[] = [];
      for (const [mailbox, uidNext] of await next()) {
        const from = since.get(mailbox) ?? 1;
        if (uidNext <= from) continue;
        const query = [...(await selectMailbox(doveadm, user, mailbox)), 'uid', `${from}:*`];
        const parameters = { user, field: ['uid', 'flags', 'hdr.message-id'], query };
        for (const row of await doveadm.run({ name: 'fetch', parameters })) {
          const { uid = '', flags = '', 'hdr.message-id': id } = row;
          if (id?.trim() === messageId) found.push({ mailbox, uid, flags: flags.split(' ') });
        }
      }
      return found;
    },
    expunge: async ({ mailbox, uid }) => {
      const query = [...(await selectMailbox(doveadm, user, mailbox)), 'uid', uid];
      await doveadm.run({ name: 'expunge', parameters: { user, query } });
    },
    removeEmpty: async (mailboxes) => {
      const deepest = [...mailboxes].sort((a, b) => b.length - a.length);
      const messages = await status('messages');
      for (const mailbox of deepest) {
        // Removing what is below takes a mailbox along that only holds others.
        if (!(await list()).has(mailbox)) continue;
        if ((messages.get(mailbox) ?? 0) > 0) throw new Error(`${mailbox} holds messages`);
        const parameters = { user, mailbox: [mailbox], subscriptions: true };
        await doveadm.run({ name: 'mailboxDelete', parameters });
      }
    },
  };
}
