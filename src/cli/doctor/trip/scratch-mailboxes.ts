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
  /** The message with that Message-ID, wherever it is. */
  find: (messageId: string) => Promise<FoundMessage | undefined>;
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

  return {
    list,
    find: async (messageId) => {
      const query = ['header', 'message-id', messageId];
      const parameters = { user, field: ['mailbox', 'uid', 'flags'], query };
      const [row] = await doveadm.run({ name: 'fetch', parameters });
      if (row === undefined) return undefined;
      const { mailbox = '', uid = '', flags = '' } = row;
      return { mailbox, uid, flags: flags.split(' ') };
    },
    expunge: async ({ mailbox, uid }) => {
      const query = [...(await selectMailbox(doveadm, user, mailbox)), 'uid', uid];
      await doveadm.run({ name: 'expunge', parameters: { user, query } });
    },
    removeEmpty: async (mailboxes) => {
      const deepest = [...mailboxes].sort((a, b) => b.length - a.length);
      for (const mailbox of deepest) {
        // Removing what is below takes a mailbox along that only holds others.
        if (!(await list()).has(mailbox)) continue;
        const asked = { user, mailboxMask: [mailbox], field: ['messages'] };
        const [status] = await doveadm.run({ name: 'mailboxStatus', parameters: asked });
        if (Number(status?.['messages'] ?? 0) > 0) throw new Error(`${mailbox} holds messages`);
        const parameters = { user, mailbox: [mailbox], subscriptions: true };
        await doveadm.run({ name: 'mailboxDelete', parameters });
      }
    },
  };
}
