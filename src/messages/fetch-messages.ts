import {
  DoveadmCommandError,
  EXIT_CODES,
  type DoveadmClient,
  type DoveadmRow,
} from '../dovecot/doveadm-client.ts';
import { selectMailbox } from '../dovecot/select-mailbox.ts';
import { errorMessage, UnavailableError } from '../errors.ts';
import type { Logger } from '../logging.ts';
import type { FetchOctets } from './fetch-octets.ts';
import { WORTHWHILE_OCTETS } from './limits.ts';

/**
 * Fetches stored messages of one mailbox by uid, as they are. Of a message that is too long to be
 * pushed with its body, and of one that doveadm cannot print, only the header fields that a push is
 * made of.
 */
export type FetchMessages = (
  user: string,
  mailbox: string,
  uids: readonly number[],
) => Promise<Map<number, Buffer>>;

export interface FetchMessagesParts {
  doveadm: DoveadmClient;
  /** For octets that the API cannot carry; undefined when no such road is set up. */
  fetchOctets?: FetchOctets | undefined;
  log: Logger;
}

/** doveadm's answer is text: octets that are not UTF-8 come back as this character, one each. */
const REPLACEMENT = '\u{fffd}';

/** What a push is made of, and what tells a disposition notification. */
const FIELDS = ['From', 'Subject', 'Date', 'Message-ID', 'References', 'Content-Type'] as const;

/**
 * One doveadm call for all of them, and further ones only for the rare: a message with octets outside
 * UTF-8 is fetched again by `fetchOctets`, and of those that are still missing the header fields are
 * asked for. Where octets cannot be had, a message comes without its body, since that was damaged on
 * the way; its header is good enough. A message that is gone is left out, and so is one that Dovecot
 * cannot read: mail_crypt's private keys may open with nothing but the password that the user logs in
 * with.
 *
 * Dovecot 2.4 (up to 2.4.4 at least) panics while it prints a message of which a block of 8 KiB ends
 * within a UTF-8 sequence: the string stream is left open when it could not take the last octets
 * (lib-json/json-generator.c, json_string_ostream_sendv). The connection is then closed without an
 * answer. Single fields are printed in another way and are safe, and so is doveadm's own protocol.
 *
 * @throws UnavailableError Dovecot does not answer
 */
export function createFetchMessages(parts: FetchMessagesParts): FetchMessages {
  const { doveadm, fetchOctets, log } = parts;

  async function fetch(
    user: string,
    field: readonly string[],
    query: readonly string[],
  ): Promise<DoveadmRow[]> {
    try {
      return await doveadm.run({ name: 'fetch', parameters: { user, field, query } });
    } catch (error) {
      if (error instanceof DoveadmCommandError && GONE.includes(error.exitCode)) return [];
      throw error;
    }
  }

  /** By the other road, if there is one and it works. */
  async function repair(user: string, selected: readonly string[], uids: readonly number[]) {
    if (uids.length === 0 || fetchOctets === undefined) return NONE;
    try {
      return await fetchOctets(user, selected, uids);
    } catch (error) {
      if (!(error instanceof UnavailableError || error instanceof DoveadmCommandError)) throw error;
      log.warn({ user, reason: errorMessage(error) }, 'pushing a message without its content');
      return NONE;
    }
  }

  return async (user, mailbox, uids) => {
    const messages = new Map<number, Buffer>();
    const selected = await selectMailbox(doveadm, user, mailbox);
    const query = (wanted: readonly number[]) => [...selected, 'uid', wanted.join(',')];
    let damaged: number[] = [];
    try {
      const short = [...query(uids), 'smaller', String(WORTHWHILE_OCTETS)];
      for (const row of await fetch(user, ['uid', 'size.physical', 'text'], short)) {
        const { message, intact } = readRow(row);
        messages.set(Number(row['uid']), message);
        if (!intact) damaged.push(Number(row['uid']));
      }
    } catch (error) {
      if (isUnreadable(error)) return messages;
      if (!hungUp(error)) throw error;
      damaged = [...uids];
    }
    for (const [uid, message] of await repair(user, selected, damaged)) messages.set(uid, message);

    const missing = uids.filter((uid) => !messages.has(uid));
    if (missing.length === 0) return messages;
    const fields = FIELDS.map((name) => `hdr.${name.toLowerCase()}`);
    for (const row of await fetch(user, ['uid', ...fields], query(missing))) {
      messages.set(Number(row['uid']), Buffer.from(headerFrom(row)));
    }
    return messages;
  };
}

const GONE: readonly number[] = [EXIT_CODES.notFound, EXIT_CODES.noSuchUser];
const NONE: ReadonlyMap<number, Buffer> = new Map();

const isUnreadable = (error: unknown): boolean =>
  error instanceof DoveadmCommandError && error.exitCode === EXIT_CODES.temporaryFailure;

/** The connection was there, and was closed without an answer. */
const hungUp = (error: unknown): boolean =>
  error instanceof UnavailableError &&
  (error.cause as NodeJS.ErrnoException | undefined)?.code === 'UND_ERR_SOCKET';

function readRow(row: DoveadmRow): { message: Buffer; intact: boolean } {
  const text = row['text'] ?? '';
  const whole = Buffer.from(text);
  // One that says U+FFFD itself is none the worse for it.
  const intact = !text.includes(REPLACEMENT) || whole.length === Number(row['size.physical']);
  return { message: intact ? whole : Buffer.from(headerOf(text)), intact };
}

const headerOf = (text: string): string => /^.*?\r?\n\r?\n/s.exec(text)?.[0] ?? text;

/**
 * A header with these fields and no body. The values of fields of one name stand one a line, folded
 * as they are stored: what does not begin with white space is the next (doveadm-mail-fetch.c).
 */
const headerFrom = (row: DoveadmRow): string =>
  FIELDS.flatMap((name) => {
    const value = row[`hdr.${name.toLowerCase()}`] ?? '';
    return value === '' ? [] : value.split(/\r?\n(?![ \t])/).map((one) => `${name}: ${one}\n`);
  }).join('') + '\n';
