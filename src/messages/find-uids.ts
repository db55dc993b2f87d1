import {
  DoveadmCommandError,
  type DoveadmClient,
  type DoveadmCommand,
} from '../dovecot/doveadm-client.ts';

/** A delivered message of which the uid is not known, and what its header says. */
export interface UnnumberedMessage {
  mailbox: string;
  /** The Message-ID field's value. */
  messageId?: string | undefined;
  /** Decoded. */
  subject?: string | undefined;
}

/** The uids of the messages, in their order; undefined for one that is not there any more. */
export type FindUids = (
  user: string,
  messages: readonly UnnumberedMessage[],
) => Promise<(number | undefined)[]>;

/**
 * Dovecot stores mail in a Maildir even while another process has the list of uids locked, and leaves
 * the uid for later (maildir-save.c, MAILDIR_UIDLIST_SYNC_TRYLOCK): its MessageNew event has uid 0 then.
 *
 * Searches by Message-ID, else by subject, for the newest such message; without either, takes the
 * newest of the mailbox. One doveadm request for all.
 *
 * @throws UnavailableError Dovecot does not answer
 */
export function createFindUids(doveadm: DoveadmClient): FindUids {
  return async (user, messages) => {
    const answers = await doveadm.runAll(messages.map((message) => search(user, message)));
    return answers.map((answer) => {
      if (answer instanceof DoveadmCommandError) return undefined;
      const newest = Math.max(0, ...answer.map(({ uid }) => Number(uid)));
      return newest > 0 ? newest : undefined;
    });
  };
}

function search(user: string, { mailbox, messageId, subject }: UnnumberedMessage): DoveadmCommand {
  const header = messageId !== undefined ? ['message-id', messageId] : ['subject', subject ?? ''];
  // A sequence number: doveadm finds nothing for "uid *".
  const criteria = header[1] === '' ? ['*'] : ['header', ...header];
  return {
    name: 'fetch',
    parameters: { user, field: ['uid'], query: ['mailbox', mailbox, ...criteria] },
  };
}
