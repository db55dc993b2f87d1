import {
  DoveadmCommandError,
  EXIT_CODES,
  type DoveadmClient,
  type DoveadmRow,
} from '../dovecot/doveadm-client.ts';
import { UnavailableError } from '../errors.ts';
import { MAX_FETCHED_OCTETS } from './limits.ts';

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

/** doveadm's answer is text: octets that are not UTF-8 come back as this character. */
const REPLACEMENT = '\u{fffd}';

/** What a push is made of, and what tells a disposition notification. */
const FIELDS = ['from', 'subject', 'date', 'message-id', 'references', 'content-type'] as const;

/**
 * One doveadm call for all of them, and a second one for those that it leaves out. A message that is
 * gone is left out, and so is one that Dovecot cannot read: mail_crypt's private keys may open with
 * nothing but the password that the user logs in with. One that held octets outside UTF-8 comes
 * without its body, since that was damaged on the way; its header is good enough.
 *
 * Dovecot 2.4 (up to 2.4.4 at least) panics while it prints a message of which a block of 8 KiB ends
 * within a UTF-8 sequence: the string stream is left open when it could not take the last octets
 * (lib-json/json-generator.c, json_string_ostream_sendv). The connection is then closed without an
 * answer. Single fields are printed in another way and are safe.
 *
 * @throws UnavailableError Dovecot does not answer
 */
export function createFetchMessages(doveadm: DoveadmClient): FetchMessages {
  return async (user, mailbox, uids) => {
    const messages = new Map<number, Buffer>();
    const fetch = async (
      field: readonly string[],
      wanted: readonly number[],
      ...conditions: string[]
    ): Promise<DoveadmRow[]> => {
      const query = ['mailbox', mailbox, 'uid', wanted.join(','), ...conditions];
      try {
        return await doveadm.run({ name: 'fetch', parameters: { user, field, query } });
      } catch (error) {
        if (error instanceof DoveadmCommandError && GONE.includes(error.exitCode)) return [];
        throw error;
      }
    };

    let whole: DoveadmRow[] = [];
    try {
      whole = await fetch(['uid', 'text'], uids, 'smaller', String(MAX_FETCHED_OCTETS));
    } catch (error) {
      if (isUnreadable(error)) return messages;
      if (!hungUp(error)) throw error;
    }
    for (const row of whole) {
      const text = row['text'] ?? '';
      messages.set(
        Number(row['uid']),
        Buffer.from(text.includes(REPLACEMENT) ? headerOf(text) : text),
      );
    }
    const missing = uids.filter((uid) => !messages.has(uid));
    if (missing.length === 0) return messages;
    for (const row of await fetch(['uid', ...FIELDS.map((name) => `hdr.${name}`)], missing)) {
      messages.set(Number(row['uid']), Buffer.from(headerFrom(row)));
    }
    return messages;
  };
}

const GONE: readonly number[] = [EXIT_CODES.notFound, EXIT_CODES.noSuchUser];

const isUnreadable = (error: unknown): boolean =>
  error instanceof DoveadmCommandError && error.exitCode === EXIT_CODES.temporaryFailure;

/** The connection was there, and was closed without an answer. */
const hungUp = (error: unknown): boolean =>
  error instanceof UnavailableError &&
  (error.cause as NodeJS.ErrnoException | undefined)?.code === 'UND_ERR_SOCKET';

const headerOf = (text: string): string => /^.*?\r?\n\r?\n/s.exec(text)?.[0] ?? text;

/**
 * A header with these fields and no body. The values of fields of one name stand one a line, folded
 * as they are stored: what does not begin with white space is the next (doveadm-mail-fetch.c).
 */
const headerFrom = (row: DoveadmRow): string =>
  FIELDS.flatMap((name) => {
    const value = row[`hdr.${name}`] ?? '';
    return value === '' ? [] : value.split(/\r?\n(?![ \t])/).map((one) => `${name}: ${one}\n`);
  }).join('') + '\n';
