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

/** An event in the names of the users' own namespace, and what it called Chats. */
export interface AliasedEvent {
  event: MailboxEvent;
  chats: string;
}

/**
 * Dovecot tells of a mailbox by the name that the client used. In a namespace with `alias_for` that is
 * another one than in the namespace which it stands for: `old/COI/Chats`. Only the end of the name says
 * so, and a user may have any mailbox that ends so: whoever acts on this looks at Chats before.
 *
 * @returns undefined for an event that has nothing to do with Chats by any name
 */
export function readAlias(event: MailboxEvent, rules: MailboxRules): AliasedEvent | undefined {
  const { root, chats } = rules.folders;
  const parent = root.slice(0, root.lastIndexOf(rules.separator) + 1);
  const names = 'mailbox_old' in event ? [event.mailbox_old, event.mailbox] : [event.mailbox];
  for (const [name, own] of names.flatMap((one) => [[one, chats] as const, [one, root] as const])) {
    const tail = own.slice(parent.length);
    if (name === own || !(rules.separator + name).endsWith(rules.separator + tail)) continue;
    const prefix = name.slice(0, -tail.length);
    const translate = (one: string): string =>
      one.startsWith(prefix) ? parent + one.slice(prefix.length) : one;
    return {
      event: {
        ...event,
        mailbox: translate(event.mailbox),
        ...('mailbox_old' in event && { mailbox_old: translate(event.mailbox_old) }),
      },
      chats: prefix + chats.slice(parent.length),
    };
  }
  return undefined;
}
