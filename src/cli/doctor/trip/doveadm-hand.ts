import { DoveadmCommandError, type DoveadmClient } from '../../../dovecot/doveadm-client.ts';
import { AnnotationRefusedError } from '../../demo/imap-metadata.ts';
import { PREFIX, type UserHand } from './user-hand.ts';

/** Where no password is known: doveadm takes the way through Dovecot's attribute dict that IMAP takes. */
export function openDoveadmHand(doveadm: DoveadmClient, user: string): UserHand {
  // The empty mailbox name stands for the server; doveadm wants to be told that this is meant.
  const server = { user, mailbox: '', allowEmptyMailboxName: true };
  const run = async (entry: string, name: string, value?: string): Promise<string | undefined> => {
    const parameters = { ...server, key: PREFIX + entry, ...(value !== undefined && { value }) };
    try {
      return (await doveadm.run({ name, parameters }))[0]?.['value'];
    } catch (error) {
      if (error instanceof DoveadmCommandError) throw new AnnotationRefusedError(entry, error);
      throw error;
    }
  };
  return {
    by: 'doveadm',
    capability: undefined,
    // What is not set is shown as empty.
    get: async (entry) => (await run(entry, 'mailboxMetadataGet')) || null,
    set: async (entry, value) => {
      if (value === null) await run(entry, 'mailboxMetadataUnset');
      else await run(entry, 'mailboxMetadataSet', value);
    },
    close: () => Promise.resolve(),
  };
}
