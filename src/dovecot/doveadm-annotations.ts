import type { DoveadmClient, DoveadmCommand } from './doveadm-client.ts';
import { DoveadmCommandError } from './doveadm-client.ts';

/** A change to one of the server annotations below `/private/vendor/vendor.dovecot/`. */
export interface AnnotationChange {
  entry: string;
  /** Undefined removes it. */
  value: string | undefined;
}

/** A user's server annotations in Dovecot's own attribute dict, through the doveadm API. */
export interface DoveadmAnnotations {
  /** All below the prefix, by name relative to it (`coi/config/enabled`). */
  read(user: string): Promise<Map<string, string>>;
  write(user: string, changes: readonly AnnotationChange[]): Promise<void>;
}

const PREFIX = '/private/vendor/vendor.dovecot/';

/** Other plugins' server annotations stand beside ours and are nobody's business here. */
const OURS = /^(coi|webpush)\//;

export function createDoveadmAnnotations(doveadm: DoveadmClient): DoveadmAnnotations {
  // The empty mailbox name stands for the server; doveadm wants to be told that this is meant.
  const server = (user: string) => ({ user, mailbox: '', allowEmptyMailboxName: true });

  return {
    read: async (user) => {
      const rows = await doveadm.run({
        name: 'mailboxMetadataList',
        parameters: { ...server(user), keyPrefix: PREFIX },
      });
      const names = rows.map(({ key = '' }) => key).filter((name) => OURS.test(name));
      const answers = await doveadm.runAll(
        names.map((name) => ({
          name: 'mailboxMetadataGet',
          parameters: { ...server(user), key: PREFIX + name },
        })),
      );
      const values = new Map<string, string>();
      for (const [index, answer] of answers.entries()) {
        if (answer instanceof DoveadmCommandError) throw answer;
        values.set(names[index] ?? '', answer[0]?.['value'] ?? '');
      }
      return values;
    },

    write: async (user, changes) => {
      const commands = changes.map(({ entry, value }): DoveadmCommand => {
        const parameters = { ...server(user), key: PREFIX + entry };
        return value === undefined
          ? { name: 'mailboxMetadataUnset', parameters }
          : { name: 'mailboxMetadataSet', parameters: { ...parameters, value } };
      });
      for (const answer of await doveadm.runAll(commands)) {
        if (answer instanceof DoveadmCommandError) throw answer;
      }
    },
  };
}
