import type { BlockedContacts } from '../coi/blocked-contacts.ts';
import type { Folders } from '../coi/folders.ts';
import {
  DoveadmCommandError,
  EXIT_CODES,
  type DoveadmClient,
  type DoveadmRow,
} from '../dovecot/doveadm-client.ts';
import type { RunMoves } from '../dovecot/run-moves.ts';
import { selectMailbox } from '../dovecot/select-mailbox.ts';
import { isNumbered, type LocateMessages } from '../messages/locate-messages.ts';
import { isChatKeyword, type MessageNewEvent } from './event-schema.ts';

/**
 * Keeps messages of blocked contacts away from a user who has enabled COI.
 *
 * @param receivedAt when they were reported, in milliseconds since the epoch
 */
export type SetBlockedAside = (
  user: string,
  delivered: readonly MessageNewEvent[],
  receivedAt: number,
) => Promise<ReadonlySet<MessageNewEvent>>;

export interface SetBlockedAsideParts {
  blockedContacts: Pick<BlockedContacts, 'isBlocked' | 'mayBlock'>;
  folders: Folders;
  doveadm: DoveadmClient;
  runMoves: RunMoves;
  locate: LocateMessages;
  onMoved?: (count: number) => void;
}

/** A message, and where it is. */
interface Located {
  event: MessageNewEvent;
  mailbox: string;
  uid: number;
}

/** Nobody waits for this but the push of a message, when Contacts cannot be read. */
const WAIT_MSECS = 5_000;

/**
 * Finds the messages that are, or belong, in Blocked: all of a blocked contact's. Sieve files chat there
 * before it is stored; other mail does not leave Dovecot then, and is moved now, as is chat that Sieve
 * could not ask about in time.
 *
 * @returns the messages that the user does not want to hear of
 * @throws UnavailableError Dovecot does not answer
 * @throws DoveadmCommandError it refused
 */
export function createSetBlockedAside(parts: SetBlockedAsideParts): SetBlockedAside {
  const { blockedContacts, folders, doveadm, runMoves } = parts;
  const { blocked, formerBlocked } = folders.names;

  return async (user, delivered, receivedAt) => {
    const aside = new Set(
      delivered.filter(({ mailbox }) => mailbox === blocked || mailbox === formerBlocked),
    );
    const late: MessageNewEvent[] = [];
    const unsure: MessageNewEvent[] = [];
    for (const event of delivered) {
      const isChat = (event.keywords ?? []).some(isChatKeyword);
      if (aside.has(event) || (!isChat && !blockedContacts.mayBlock(user))) continue;
      const from = [event.from ?? ''];
      if (await blockedContacts.isBlocked(user, from, WAIT_MSECS)) late.push(event);
      // An event has the first From field alone. Of chat Sieve has told all.
      else if (!isChat && blockedContacts.mayBlock(user)) unsure.push(event);
    }
    late.push(...(await findByOtherFields(user, unsure, receivedAt)));
    if (late.length > 0) await move(user, late, receivedAt);
    return new Set([...aside, ...late]);
  };

  /** Those of which a further From field names a blocked contact; none where Dovecot refuses to read them. */
  async function findByOtherFields(
    user: string,
    events: readonly MessageNewEvent[],
    receivedAt: number,
  ): Promise<MessageNewEvent[]> {
    const found: MessageNewEvent[] = [];
    for (const [mailbox, group] of await locateAll(user, events, receivedAt)) {
      const selected = await selectMailbox(doveadm, user, mailbox);
      const uids = group.map(({ uid }) => uid);
      const confirmed = await confirm(user, selected, uids).catch(toNothing);
      found.push(...group.filter(({ uid }) => confirmed.includes(uid)).map(({ event }) => event));
    }
    return found;
  }

  async function move(
    user: string,
    events: readonly MessageNewEvent[],
    receivedAt: number,
  ): Promise<void> {
    const queries: (readonly string[])[] = [];
    let count = 0;
    for (const [mailbox, group] of await locateAll(user, events, receivedAt)) {
      const selected = await selectMailbox(doveadm, user, mailbox);
      const uids = group.map(({ uid }) => uid);
      const confirmed = await confirm(user, selected, uids);
      if (confirmed.length > 0) queries.push([...selected, 'uid', confirmed.join(',')]);
      count += confirmed.length;
    }
    if (queries.length === 0) return;
    await folders.ensure(user, [blocked]);
    const commands = queries.map((query) => ({
      name: 'move',
      parameters: { user, destinationMailbox: blocked, query },
    }));
    for (const result of await runMoves(user, commands)) throwUnlessGone(result);
    parts.onMoved?.(count);
  }

  /** By mailbox; what Dovecot had not numbered yet is looked up, and left out if it is gone. */
  async function locateAll(
    user: string,
    events: readonly MessageNewEvent[],
    receivedAt: number,
  ): Promise<Map<string, Located[]>> {
    const unnumbered = events.filter((event) => !isNumbered(event));
    const found = await parts.locate(
      user,
      unnumbered.map(({ mailbox, message_id: messageId, subject }) => ({
        ...{ mailbox, messageId, subject },
      })),
      receivedAt,
    );
    const located = [
      ...events.filter(isNumbered).map((event) => ({ event, place: event })),
      ...unnumbered.map((event, index) => ({ event, place: found[index] })),
    ].flatMap(({ event, place }) =>
      place === undefined ? [] : [{ event, mailbox: place.mailbox, uid: place.uid }],
    );
    return Map.groupBy(located, ({ mailbox }) => mailbox);
  }

  /**
   * Those that are there and indeed of a blocked contact: another message may have the uid by now, in a
   * mailbox that was made anew, or the Message-ID by which one was looked up.
   */
  async function confirm(
    user: string,
    selected: readonly string[],
    uids: readonly number[],
  ): Promise<number[]> {
    const query = [...selected, 'uid', uids.join(',')];
    const parameters = { user, field: ['uid', 'hdr.from'], query };
    const [answer = []] = await doveadm.runAll([{ name: 'fetch', parameters }]);
    const confirmed: number[] = [];
    for (const row of throwUnlessGone(answer)) {
      const from = (row['hdr.from'] ?? '').split('\n'); // several fields come as lines
      const isBlocked = await blockedContacts.isBlocked(user, from, WAIT_MSECS);
      if (isBlocked) confirmed.push(Number(row['uid']));
    }
    return confirmed;
  }
}

/** Not found: moved by an earlier try, or the mailbox went away meanwhile. */
function throwUnlessGone(answer: DoveadmRow[] | DoveadmCommandError): DoveadmRow[] {
  if (!(answer instanceof DoveadmCommandError)) return answer;
  if (answer.exitCode === EXIT_CODES.notFound) return [];
  throw answer;
}

/** Of mail that nobody but its user can decrypt, say: it is judged by what its event tells. */
function toNothing(error: unknown): number[] {
  if (error instanceof DoveadmCommandError) return [];
  throw error;
}
