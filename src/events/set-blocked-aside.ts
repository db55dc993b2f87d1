import type { BlockedContacts } from '../coi/blocked-contacts.ts';
import type { Folders } from '../coi/folders.ts';
import { DoveadmCommandError, EXIT_CODES, type DoveadmClient } from '../dovecot/doveadm-client.ts';
import type { RunMoves } from '../dovecot/run-moves.ts';
import { selectMailbox } from '../dovecot/select-mailbox.ts';
import type { MessageNewEvent } from './event-schema.ts';
import { CHAT_KEYWORD } from './move-chat-messages.ts';
import { isChatKeyword } from './on-messages-read.ts';

/** Keeps messages of blocked contacts away from a user who has enabled COI. */
export type SetBlockedAside = (
  user: string,
  delivered: readonly MessageNewEvent[],
) => Promise<ReadonlySet<MessageNewEvent>>;

export interface SetBlockedAsideParts {
  isBlocked: BlockedContacts['isBlocked'];
  folders: Folders;
  doveadm: DoveadmClient;
  runMoves: RunMoves;
  onMoved?: (count: number) => void;
}

/** Nobody waits for this but the push of a chat message, when Contacts cannot be read. */
const WAIT_MSECS = 5_000;

/**
 * Finds the messages that are, or belong, in Blocked. Mostly Sieve has filed them there; those chat
 * messages that it could not ask about in time are moved now.
 *
 * @returns the messages that the user does not want to hear of
 * @throws UnavailableError Dovecot does not answer
 * @throws DoveadmCommandError it refused
 */
export function createSetBlockedAside(parts: SetBlockedAsideParts): SetBlockedAside {
  const { folders, doveadm, runMoves } = parts;
  const { blocked } = folders.names;

  async function move(user: string, events: readonly MessageNewEvent[]): Promise<void> {
    await folders.ensure(user, [blocked]);
    const queries = await Promise.all(
      [...Map.groupBy(events, ({ mailbox }) => mailbox)].map(async ([mailbox, group]) => [
        ...(await selectMailbox(doveadm, user, mailbox)),
        // The keyword, lest another message has the uid by now.
        ...['uid', group.map(({ uid }) => uid).join(','), 'keyword', CHAT_KEYWORD],
      ]),
    );
    const results = await runMoves(
      user,
      queries.map((query) => ({
        name: 'move',
        parameters: { user, destinationMailbox: blocked, query },
      })),
    );
    for (const result of results) {
      // Not found: moved by an earlier try, or the mailbox went away meanwhile.
      if (result instanceof DoveadmCommandError && result.exitCode !== EXIT_CODES.notFound) {
        throw result;
      }
    }
    parts.onMoved?.(events.length);
  }

  return async (user, delivered) => {
    const aside = new Set(delivered.filter(({ mailbox }) => mailbox === blocked));
    const late: MessageNewEvent[] = [];
    for (const event of delivered) {
      // A message with keywords has a uid always: Dovecot waits for the list of uids to store them.
      const isCandidate = event.uid > 0 && (event.keywords ?? []).some(isChatKeyword);
      if (aside.has(event) || !isCandidate) continue;
      if (await parts.isBlocked(user, [event.from ?? ''], WAIT_MSECS)) late.push(event);
    }
    if (late.length > 0) await move(user, late);
    return new Set([...aside, ...late]);
  };
}
