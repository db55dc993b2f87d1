import {
  DoveadmCommandError,
  EXIT_CODES,
  type DoveadmClient,
  type DoveadmCommand,
} from '../dovecot/doveadm-client.ts';
import { findMailboxes } from '../dovecot/find-mailboxes.ts';
import { UnavailableError } from '../errors.ts';
import { KeyedMutex } from '../keyed-mutex.ts';
import type { OwnOperations } from './own-operations.ts';

/** The mailboxes of COI, as users see them. */
export interface CoiFolderNames {
  root: string;
  /** For chat messages. */
  chats: string;
  /** For contact storage messages (coi-client-spec, "Folders"). */
  contacts: string;
  /** For messages of blocked contacts (coi-client-spec, "Blocking Contacts"). */
  blocked: string;
}

export const folderNames = (root: string, separator: string): CoiFolderNames => ({
  root,
  chats: `${root}${separator}Chats`,
  contacts: `${root}${separator}Contacts`,
  blocked: `${root}${separator}Blocked`,
});

export interface Folders {
  readonly names: CoiFolderNames;
  /**
   * Creates what is missing, and subscribes what it creates; existing mailboxes are left alone.
   *
   * @throws UnavailableError naming the mailbox that could not be made
   */
  ensure(user: string, mailboxes: readonly string[]): Promise<void>;
  /** All of them, when COI is enabled. */
  ensureAll(user: string): Promise<void>;
}

/** The folders that the server specification asks for ("Configure COI Usage"). */
export function createFolders(
  doveadm: DoveadmClient,
  names: CoiFolderNames,
  own: OwnOperations,
): Folders {
  const turns = new KeyedMutex();

  // Asking first, and in turn, keeps Dovecot's log free of "Mailbox already exists".
  const ensure: Folders['ensure'] = (user, mailboxes) =>
    turns.run(user, () => createMissing(user, mailboxes));

  async function createMissing(user: string, mailboxes: readonly string[]): Promise<void> {
    const present = await findMailboxes(doveadm, user, mailboxes);
    const missing = mailboxes.filter((mailbox) => !present.has(mailbox));
    for (const mailbox of missing) own.expect(user, 'MailboxCreate', mailbox);
    const results = await doveadm.runAll(missing.map((mailbox) => create(user, mailbox)));
    for (const [index, result] of results.entries()) {
      if (result instanceof DoveadmCommandError && result.exitCode !== EXIT_CODES.dataError) {
        throw new UnavailableError(
          `cannot create the mailbox "${missing[index] ?? ''}": ${result.message}`,
          { cause: result },
        );
      }
    }
  }

  return {
    names,
    ensure,
    ensureAll: (user) => ensure(user, [names.chats, names.contacts, names.blocked]),
  };
}

const create = (user: string, mailbox: string): DoveadmCommand => ({
  name: 'mailboxCreate',
  parameters: { user, mailbox: [mailbox], subscriptions: true },
});
