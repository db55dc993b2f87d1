import { NotFoundError } from '../errors.ts';
import { DoveadmCommandError, EXIT_CODES, type DoveadmClient } from './doveadm-client.ts';

export interface MailboxGuid {
  /** UTF-8, as users see it. */
  mailbox: string;
  /** 32 hexadecimal digits; it stands in the keys of the mailbox's annotations. */
  guid: string;
}

/** All mailboxes of a user; INBOX is called so whatever its namespace. */
export type ListMailboxGuids = (user: string) => Promise<MailboxGuid[]>;

/**
 * @throws NotFoundError Dovecot knows no such user
 * @throws DoveadmCommandError, UnavailableError
 */
export const createListMailboxGuids =
  (doveadm: DoveadmClient): ListMailboxGuids =>
  async (user) => {
    try {
      const rows = await doveadm.run({
        name: 'mailboxStatus',
        parameters: { user, mailboxMask: ['*'], field: ['guid'] },
      });
      return rows.map(({ mailbox = '', guid = '' }) => ({ mailbox, guid }));
    } catch (error) {
      if (error instanceof DoveadmCommandError && error.exitCode === EXIT_CODES.noSuchUser) {
        throw new NotFoundError(`Dovecot knows no user ${JSON.stringify(user)}`, { cause: error });
      }
      throw error;
    }
  };
