import { setTimeout as sleep } from 'node:timers/promises';
import type { CoiFolderNames } from '../../coi/folders.ts';
import type { CoiSettings } from '../../coi/settings.ts';
import { isTemporary } from '../../dovecot/doveadm-client.ts';
import { errorMessage, UnavailableError } from '../../errors.ts';
import type { Logger } from '../../logging.ts';
import type { ListMessages } from '../../messages/list-messages.ts';
import type { MessageNewEvent, Transaction } from '../event-schema.ts';

export interface CatchUpParts {
  /** Everyone that is known here. */
  users: () => AsyncIterable<string>;
  settings: (user: string) => Promise<CoiSettings>;
  wantsPushes: (user: string) => Promise<boolean>;
  list: ListMessages;
  folders: CoiFolderNames;
  /** Owes a transaction; durable when it resolves. */
  keep: (transaction: Transaction) => Promise<void>;
  log: Logger;
  /** Milliseconds before Dovecot is asked again that did not answer; given by tests. */
  pause?: number;
}

/** Finds the mail that nobody reported. */
export interface CatchUp {
  /** @param since milliseconds since the epoch; resolves when every user was looked at */
  run(since: number): Promise<void>;
  stop(): Promise<void>;
}

const USERS_AT_A_TIME = 4;
const PAUSE_MSECS = 5_000;
/** Times that Dovecot may fail for now where one user is concerned: a minute, which is long for a start. */
const MOST_FAILURES = 12;
/** What was being handled when the service ended was handed in no earlier than this before. */
const MARGIN_SECONDS = 5;

/**
 * The `ox` driver keeps nothing: what it cannot hand over is gone. So after a start the mailboxes of
 * everyone who has COI or a subscription are looked through for unseen mail that was delivered since
 * the service was last alive: INBOX, and Chats for what was filed just before. From there it goes the
 * way of an event out of the journal; what had been reported all the same is not pushed twice, since pushes carry
 * a dedupe key.
 *
 * Mail both received and saved since: a message that a client moved was received earlier.
 */
export function createCatchUp(parts: CatchUpParts): CatchUp {
  const { log, list, folders, pause = PAUSE_MSECS } = parts;
  const stopping = new AbortController();
  let running: Promise<void> | undefined;

  async function run(since: number): Promise<void> {
    const found = { users: 0, messages: 0 };
    // All of them first: a listing that breaks off cannot be resumed.
    const users = ((await patiently(allUsers)) ?? []).values();
    const workers = Array.from({ length: USERS_AT_A_TIME }, async () => {
      for (const user of users) {
        if (stopping.signal.aborted) return;
        const messages = await patiently(() => lookAt(user, since));
        found.users += messages === undefined ? 0 : 1;
        found.messages += messages ?? 0;
      }
    });
    await Promise.all(workers);
    if (stopping.signal.aborted) return;
    log.info(
      { ...found, since: new Date(since) },
      'looked for mail that came while nobody was here',
    );
  }

  async function allUsers(): Promise<string[]> {
    const users: string[] = [];
    for await (const user of parts.users()) users.push(user);
    return users;
  }

  /** @returns how many messages it found, or undefined when nothing depends on this user's mail */
  async function lookAt(user: string, since: number): Promise<number | undefined> {
    const { enabled } = await parts.settings(user);
    if (!enabled && !(await parts.wantsPushes(user))) return undefined;
    const from = String(Math.floor(since / 1_000) - MARGIN_SECONDS);
    const criteria = ['savedsince', from, 'since', from, 'unseen'];
    const mailboxes = ['INBOX', ...(enabled ? [folders.chats] : [])];
    const listings = await list(
      user,
      mailboxes.map((mailbox) => ({ mailbox, criteria })),
    );
    const events = listings.flatMap(({ mailbox, uidvalidity, messages }) =>
      messages.map(({ uid, keywords, messageId, received }): MessageNewEvent => ({
        event: 'MessageNew',
        ...{ mailbox, uid, uidvalidity, keywords, received },
        ...(messageId !== undefined && { message_id: messageId }),
      })),
    );
    if (events.length > 0) await parts.keep({ user, events });
    return events.length;
  }

  /** Until Dovecot answers: after a boot it may come later than we do. */
  async function patiently<T>(work: () => Promise<T>): Promise<T | undefined> {
    for (let failures = 0; !stopping.signal.aborted;) {
      try {
        return await work();
      } catch (error) {
        const isPassing =
          error instanceof UnavailableError || (isTemporary(error) && ++failures < MOST_FAILURES);
        log.warn(
          { reason: errorMessage(error) },
          `cannot look for mail that came while nobody was here${isPassing ? ' yet' : ''}`,
        );
        if (!isPassing) return undefined;
        await sleep(pause, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
    return undefined;
  }

  return {
    run: (since) => (running ??= run(since)),
    stop: async () => {
      stopping.abort();
      await running?.catch(() => undefined);
    },
  };
}
