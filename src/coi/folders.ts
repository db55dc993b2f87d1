import {
  DoveadmCommandError,
  EXIT_CODES,
  type DoveadmClient,
  type DoveadmCommand,
} from '../dovecot/doveadm-client.ts';
import { findMailboxes } from '../dovecot/find-mailboxes.ts';
import { SidecarError, UnavailableError } from '../errors.ts';
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
  /** Where they went before there was `coi.blocked_mailbox`; what users have there stays theirs. */
  formerBlocked: string;
}

/**
 * `COI/Chats`, `COI/Contacts` and plain `Blocked` (coi-client-spec, "Folders").
 *
 * @param blocked `coi.blocked_mailbox`; empty for `Blocked` beside the root
 */
export function folderNames(root: string, separator: string, blocked = ''): CoiFolderNames {
  const parent = root.slice(0, root.lastIndexOf(separator) + 1);
  return {
    root,
    chats: `${root}${separator}Chats`,
    contacts: `${root}${separator}Contacts`,
    blocked: blocked === '' ? `${parent}Blocked` : blocked,
    formerBlocked: `${root}${separator}Blocked`,
  };
}

export interface Folders {
  readonly names: CoiFolderNames;
  /**
   * @throws UnavailableError Dovecot does not answer
   * @throws DoveadmCommandError it refused
   */
  hasChats(user: string): Promise<boolean>;
  /**
   * Creates what is missing, and subscribes what it creates; existing mailboxes are left alone.
   *
   * @throws UnavailableError naming the mailbox that could not be made
   */
  ensure(user: string, mailboxes: readonly string[]): Promise<void>;
  /** All of them, as long as COI is enabled. */
  ensureAll(user: string): Promise<void>;
  /**
   * All of them, when COI is being enabled: Chats is subscribed, also if it was there before. Who
   * unsubscribes it later has it so.
   */
  provide(user: string): Promise<void>;
  /**
   * What is to be beside a Chats that somebody has made: its subscription and the others. Chats itself may
   * have been deleted since, and is not made again; it is not even opened.
   *
   * @param isWanted asked before each step
   */
  provideBesideChats(user: string, isWanted: () => Promise<boolean>): Promise<void>;
}

/** The folders that the server specification asks for ("Configure COI Usage"). */
export function createFolders(
  doveadm: DoveadmClient,
  names: CoiFolderNames,
  own: OwnOperations,
): Folders {
  const turns = new KeyedMutex();
  const all = [names.chats, names.contacts, names.blocked];

  // Asking first, and in turn, keeps Dovecot's log free of "Mailbox already exists".
  const ensure = (
    user: string,
    mailboxes: readonly string[],
    isWanted?: () => Promise<boolean>,
  ): Promise<void> => turns.run(user, () => createMissing(user, mailboxes, isWanted));

  async function createMissing(
    user: string,
    mailboxes: readonly string[],
    isWanted: () => Promise<boolean> = () => Promise.resolve(true),
  ): Promise<void> {
    const present = await findMailboxes(doveadm, user, mailboxes);
    const missing = mailboxes.filter((mailbox) => !present.has(mailbox));
    if (missing.length === 0 || !(await isWanted())) return;
    for (const mailbox of missing) own.expect(user, 'MailboxCreate', mailbox);
    const results = await doveadm.runAll(missing.map((mailbox) => create(user, mailbox)));
    const doubtful: string[] = [];
    for (const [index, mailbox] of missing.entries()) {
      const result = results[index];
      if (!(result instanceof DoveadmCommandError)) continue;
      if (result.exitCode !== EXIT_CODES.dataError) {
        const message = `cannot create the mailbox "${mailbox}": ${result.message}`;
        throw new UnavailableError(message, { cause: result });
      }
      doubtful.push(mailbox);
    }
    if (doubtful.length > 0) await seeThatTheyAreThere(user, doubtful);
  }

  /** Doveadm says the same of a mailbox that exists (somebody was faster) and of one that cannot be. */
  async function seeThatTheyAreThere(user: string, mailboxes: readonly string[]): Promise<void> {
    const present = await findMailboxes(doveadm, user, mailboxes);
    const [missing] = mailboxes.filter((mailbox) => !present.has(mailbox));
    if (missing === undefined) return;
    throw new UnavailableError(
      `Dovecot does not take "${missing}" for a mailbox's name: coi.mailbox_root (${names.root}) needs the ` +
        "prefix of the users' namespace, if that has one, coi.mailbox_separator its separator; and in mbox " +
        'format no mailbox may be in the way of what stands below it',
    );
  }

  async function subscribeChats(user: string): Promise<void> {
    const parameters = { user, mailbox: [names.chats] };
    try {
      await doveadm.run({ name: 'mailboxSubscribe', parameters });
    } catch (error) {
      // Refused, say by doveadm_allowed_commands (the API answers 403 then): COI works without.
      if (!(error instanceof SidecarError)) throw error;
    }
  }

  return {
    names,
    hasChats: async (user) => (await findMailboxes(doveadm, user, [names.chats])).size > 0,
    ensure: (user, mailboxes) => ensure(user, mailboxes),
    ensureAll: (user) => ensure(user, all),
    provide: async (user) => {
      await ensure(user, all);
      await subscribeChats(user);
    },
    provideBesideChats: async (user, isWanted) => {
      if (!(await isWanted())) return;
      await ensure(user, [names.contacts, names.blocked], isWanted);
      if (await isWanted()) await subscribeChats(user);
    },
  };
}

const create = (user: string, mailbox: string): DoveadmCommand => ({
  name: 'mailboxCreate',
  parameters: { user, mailbox: [mailbox], subscriptions: true },
});
