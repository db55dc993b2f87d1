import type { CoiFolderNames } from '../coi/folders.ts';
import type { MailboxEvent } from './event-schema.ts';

/** What a mailbox event says about COI, if anything. */
export type MailboxVerdict =
  | 'unrelated'
  /** Chats came to be: an indirect request to enable COI. */
  | 'enable'
  /** Chats was deleted or thrown into the trash: an indirect request to disable COI. */
  | 'disable'
  /** Chats was renamed elsewhere, which the specification does not want. */
  | { undo: { from: string; to: string } };

export interface MailboxRules {
  folders: CoiFolderNames;
  separator: string;
  /** Names of trash mailboxes: those with special-use `\Trash`, and the default name. */
  trash: readonly string[];
}

/**
 * Judges CREATE, DELETE and RENAME (coi-server-spec, "Indirectly Disabling and Enabling COI").
 * Renaming a parent renames what is below it, so a RENAME of the root, or of the root's parent,
 * counts as one of Chats.
 */
export function judgeMailboxEvent(event: MailboxEvent, rules: MailboxRules): MailboxVerdict {
  const { chats } = rules.folders;
  switch (event.event) {
    case 'MailboxCreate':
      return event.mailbox === chats ? 'enable' : 'unrelated';
    case 'MailboxDelete':
      return event.mailbox === chats ? 'disable' : 'unrelated';
    case 'MailboxRename':
      return judgeRename(event.mailbox_old, event.mailbox, rules);
  }
}

function judgeRename(from: string, to: string, rules: MailboxRules): MailboxVerdict {
  const { chats } = rules.folders;
  const { separator, trash } = rules;
  const isOrHolds = (mailbox: string, inner: string): boolean =>
    inner === mailbox || inner.startsWith(mailbox + separator);
  if (isOrHolds(to, chats)) return 'enable';
  if (!isOrHolds(from, chats)) return 'unrelated';
  const thrownAway = trash.some((name) => isOrHolds(name, to));
  return thrownAway ? 'disable' : { undo: { from: to, to: from } };
}
