import { DoveadmCommandError, type DoveadmClient } from '../../../dovecot/doveadm-client.ts';
import { AnnotationRefusedError } from '../../demo/imap-metadata.ts';
import { PREFIX, type UserHand } from './user-hand.ts';

/** Where no password is known: doveadm takes the way through Dovecot's attribute dict that IMAP takes. */
export function openDoveadmHand(doveadm: DoveadmClient, user: string): UserHand {
  // The empty mailbox name stands for the server; doveadm wants to be told that this is meant.
  const server = { user, mailbox: '', allowEmptyMailboxName: true };
  return {
    by: 'doveadm',
    capability: undefined,
    get: async (entry) => {
      const parameters = { ...server, key: PREFIX + entry };
      const [row] = await doveadm.run({ name: 'mailboxMetadataGet', parameters });
      return row?.['value'] || null;
    },
    set: async (entry, value) => {
      const parameters = { ...server, key: PREFIX + entry };
      try {
        await doveadm.run(
          value === null
            ? { name: 'mailboxMetadataUnset', parameters }
            : { name: 'mailboxMetadataSet', parameters: { ...parameters, value } },
        );
      } catch (error) {
        if (error instanceof DoveadmCommandError) throw new AnnotationRefusedError(entry, error);
        throw error;
      }
    },
    close: () => Promise.resolve(),
  };
}
