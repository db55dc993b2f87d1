import { COI_ENTRIES, readSettings, switchEnabled, type CoiTransition } from '../coi/settings.ts';
import type { Folders } from '../coi/folders.ts';
import type { RestoreChats } from '../coi/restore-chats.ts';
import type { Sleep } from '../clock.ts';
import { sayAskingDovecot } from '../dovecot/asking-dovecot.ts';
import {
  DoveadmCommandError,
  isNoSuchUser,
  isTemporary,
  type DoveadmClient,
} from '../dovecot/doveadm-client.ts';
import { findMailboxes } from '../dovecot/find-mailboxes.ts';
import type { RunMoves } from '../dovecot/run-moves.ts';
import { selectMailbox } from '../dovecot/select-mailbox.ts';
import { errorMessage, UnavailableError } from '../errors.ts';
import { KeyedMutex } from '../keyed-mutex.ts';
import type { Logger } from '../logging.ts';
import type { Store } from '../stores/store.ts';
import { CHAT_KEYWORD, type MailboxEvent } from './event-schema.ts';
import {
  judgeMailboxEvent,
  readAlias,
  type AliasedEvent,
  type MailboxRules,
  type MailboxVerdict,
} from './on-mailbox-event.ts';

export interface MailboxEventParts {
  store: Store;
  folders: Folders;
  doveadm: DoveadmClient;
  runMoves: RunMoves;
  rules: MailboxRules;
  takeRestored: RestoreChats['takeRestored'];
  /** Shows clients the new state of `enabled`. */
  publish: (user: string) => Promise<void>;
  sleep: Sleep;
  onTransition?: (state: CoiTransition) => void;
  log: Logger;
}

/** Special uses as Dovecot joins them. */
const TRASH = /(^|\s)\\trash(\s|$)/i;
/** How deep below the trash a mailbox may be. */
const MOST_LEVELS = 16;

/** Longer than a client needs between two commands. */
const QUIET_MSECS = 200;

type Verdict = Exclude<MailboxVerdict, 'unrelated'>;

/**
 * Enables and disables COI as mailboxes come and go, and undoes renames that nobody should make.
 *
 * While Dovecot waits for us (`isLive`), it holds the user's list of mailboxes locked, and nothing has
 * happened since: the new state is stored before Dovecot is asked for anything, by which time it has
 * its answer (see createIntake). An event may also be handled late, or twice, when more has happened:
 * nothing is done then unless Chats is by now where the event says. One user's events wait for each other,
 * or a rename that is being undone could not be undone a second time, and COI would be disabled.
 *
 * Anybody can be named in an event. What was stored before Dovecot was asked is taken back when it says that
 * there is no such user.
 */
export function createActOnMailboxEvent(parts: MailboxEventParts) {
  const { store, folders, doveadm, rules, log } = parts;
  const turns = new KeyedMutex();
  /** The last live event of those that wait to be completed. */
  const latest = new Map<string, symbol>();

  return async (user: string, event: MailboxEvent, isLive: boolean): Promise<void> => {
    try {
      await actOn(user, event, isLive);
    } catch (error) {
      if (isNoSuchUser(error)) await takeBack(user);
      throw error;
    }
  };

  async function actOn(user: string, event: MailboxEvent, isLive: boolean): Promise<void> {
    const verdict = judgeMailboxEvent(event, rules);
    if (verdict === 'unrelated') {
      const alias = readAlias(event, rules);
      if (alias !== undefined) await turns.run(user, () => actOnAlias(user, alias));
      return;
    }
    if (!isLive || typeof verdict === 'object') {
      await turns.run(user, () => act(user, verdict));
      return;
    }
    // Not in turn: what an earlier event has still to do waits for the lock that this one is told under.
    const wanted = verdict === 'enable';
    if (!wanted) parts.takeRestored(user);
    if ((await readSettings(store, user)).enabled === wanted) return;
    await setEnabled(user, wanted);
    if (await isQuiet(user)) await turns.run(user, () => complete(user));
  }

  /**
   * Whether nothing of this kind was reported for a moment. Whoever lists a user's mailboxes amid a CREATE
   * of one, be it doveadm, may have Dovecot answer that it exists already (Maildir++), so a client that goes
   * on is not disturbed; what there is to do then is done for the last event.
   */
  async function isQuiet(user: string): Promise<boolean> {
    sayAskingDovecot(); // which need not wait for this
    const mine = Symbol(user);
    latest.set(user, mine);
    await parts.sleep(QUIET_MSECS);
    return latest.get(user) === mine && latest.delete(user);
  }

  /**
   * Leaves nothing of somebody of whom nothing but `enabled` is stored; who has more here was a user once, of
   * whom "users forget" removes all. An earlier handling of the event may have stored it, so the store is
   * asked and not what this one did.
   */
  async function takeBack(user: string): Promise<void> {
    for await (const page of store.pages(user, '', { keysOnly: true })) {
      if (page.some(({ key }) => key !== COI_ENTRIES.enabled)) return;
    }
    if (!(await readSettings(store, user)).enabled) return;
    await switchEnabled(store, user, false);
    parts.onTransition?.('disabled');
    log.info({ user }, 'COI is not enabled after all: Dovecot knows no such user');
  }

  async function act(user: string, verdict: Verdict): Promise<void> {
    const { enabled } = await readSettings(store, user);
    const wanted = verdict === 'enable';
    if (enabled === wanted) {
      // Stored while Dovecot waited; what was to be made then may not have been.
      if (wanted) await folders.provideBesideChats(user, () => folders.hasChats(user));
      return;
    }
    if (typeof verdict === 'object' && !(await isInTrash(user, verdict.undo.from))) {
      if (await bringBack(user, verdict.undo)) return;
    } else {
      const exists = await folders.hasChats(user);
      // Chats went away, and chat from before that has had it made again.
      const isOvertaken = !wanted && parts.takeRestored(user);
      if (exists !== wanted && !isOvertaken) return;
      if (wanted) await folders.provideBesideChats(user, () => folders.hasChats(user));
    }
    await setEnabled(user, wanted);
    await parts.publish(user);
  }

  /** An event that tells of Chats by another name, perhaps: what Dovecot says of Chats decides. */
  async function actOnAlias(user: string, alias: AliasedEvent): Promise<void> {
    const verdict = judgeMailboxEvent(alias.event, rules);
    if (verdict === 'unrelated') return;
    const { enabled } = await readSettings(store, user);
    const wanted = verdict === 'enable';
    if (enabled === wanted) return;
    const exists = await folders.hasChats(user);
    const isMeant = exists && wanted ? await isChats(user, alias.chats) : !exists && !wanted;
    if (isMeant) await act(user, verdict);
  }

  async function isChats(user: string, mailbox: string): Promise<boolean> {
    const names = [mailbox, folders.names.chats];
    const answers = await doveadm.runAll(
      names.map((name) => ({
        name: 'mailboxStatus',
        parameters: { user, mailboxMask: [name], field: ['guid'] },
      })),
    );
    // A name that is a pattern as well has others answer with it.
    const [guid, guidOfChats] = answers.map((rows, index) =>
      rows instanceof DoveadmCommandError
        ? undefined
        : rows.find((row) => row['mailbox'] === names[index])?.['guid'],
    );
    return guid !== undefined && guid === guidOfChats;
  }

  /**
   * What follows from the state that is stored, whatever has happened since. Chats is left alone: who
   * opens a mailbox of Maildir++ while a CREATE is at it makes the directories that the CREATE is about
   * to make, which is refused then as if the mailbox had existed (maildir_mailbox_open in Dovecot's
   * maildir-storage.c).
   */
  async function complete(user: string): Promise<void> {
    await folders.provideBesideChats(user, async () => (await readSettings(store, user)).enabled);
    await parts.publish(user);
  }

  async function setEnabled(user: string, enabled: boolean): Promise<void> {
    await switchEnabled(store, user, enabled);
    const state = enabled ? 'enabled' : 'disabled';
    parts.onTransition?.(state);
    log.info({ user, state }, 'COI follows what became of the Chats mailbox');
  }

  /**
   * Whether a mailbox has the special use `\Trash`, or is below one that has. Dovecot answers from its
   * settings for this user, without opening anything, for mailboxes too that have yet to be made
   * (mailbox-attribute-internal.c).
   */
  async function isInTrash(user: string, mailbox: string): Promise<boolean> {
    const levels = mailbox.split(rules.separator, MOST_LEVELS);
    const key = '/private/specialuse';
    const commands = levels.map((_level, index) => ({
      name: 'mailboxMetadataGet',
      parameters: { user, key, mailbox: levels.slice(0, index + 1).join(rules.separator) },
    }));
    try {
      const answers = await doveadm.runAll(commands);
      return answers.some(
        (rows) => !(rows instanceof DoveadmCommandError) && TRASH.test(rows[0]?.['value'] ?? ''),
      );
    } catch (error) {
      // Nor does it answer the next question then; or doveadm_allowed_commands lacks this one.
      if (error instanceof UnavailableError) return false;
      throw error;
    }
  }

  /**
   * Dovecot refuses a RENAME of Chats only where its acl plugin says so (docs/operations.md, "Keeping Chats
   * where it is"); any other was done by the time that we hear of it. Where a delivery has made Chats anew meanwhile, the chat goes
   * back into it.
   *
   * @param undo where the mailbox is by now, and where it was
   * @returns whether there is a Chats afterwards
   * @throws UnavailableError nobody knows
   * @throws DoveadmCommandError Dovecot refused, for now
   */
  async function bringBack(user: string, undo: { from: string; to: string }): Promise<boolean> {
    const { chats, contacts, blocked, formerBlocked } = folders.names;
    const strayed = [...new Set([chats, contacts, blocked, formerBlocked])]
      .filter((name) => name === undo.to || name.startsWith(undo.to + rules.separator))
      .map((home) => ({ home, away: undo.from + home.slice(undo.to.length) }));
    const names = strayed.flatMap(({ home, away }) => [home, away]);
    let present = await findMailboxes(doveadm, user, names);
    const isAway = strayed.some(({ away }) => present.has(away));
    if (isAway && !strayed.some(({ home }) => present.has(home))) {
      // Done or not: Dovecot 2.3 says so too when a mailbox below could not go where it was.
      await rename(user, undo);
      present = await findMailboxes(doveadm, user, names);
    }
    for (const { home, away } of strayed) {
      if (!present.has(away)) continue;
      if (present.has(home)) await bringChatBack(user, away, home);
      else if (await rename(user, { from: away, to: home })) present.add(home);
    }
    return present.has(chats);
  }

  /** @returns whether Dovecot did it */
  async function rename(
    user: string,
    { from, to }: { from: string; to: string },
  ): Promise<boolean> {
    try {
      await doveadm.run({
        name: 'mailboxRename',
        parameters: { user, mailbox: from, newName: to, subscriptions: true },
      });
      log.info({ user, mailbox: to }, 'undid a rename that would have taken Chats away');
      return true;
    } catch (error) {
      // It may have been undone, or can be when Dovecot is back: the event comes again.
      if (error instanceof UnavailableError || isTemporary(error)) throw error;
      log.warn({ user, mailbox: to, reason: errorMessage(error) }, 'cannot undo a rename');
      return false;
    }
  }

  /**
   * Chat alone, and the mailbox only if nothing else is in it: who reports an event could name any.
   */
  async function bringChatBack(user: string, from: string, to: string): Promise<void> {
    const query = [...(await selectMailbox(doveadm, user, from)), 'keyword', CHAT_KEYWORD];
    const move = { name: 'move', parameters: { user, destinationMailbox: to, query } };
    const drop = {
      name: 'mailboxDelete',
      parameters: { user, mailbox: [from], requireEmpty: true, subscriptions: true },
    };
    const [moved] = await parts.runMoves(user, [move, drop]);
    if (moved instanceof DoveadmCommandError) throw moved;
    log.info(
      { user, mailbox: to },
      'brought back chat of a mailbox that was renamed and made anew',
    );
  }
}
