import {
  DoveadmCommandError,
  EXIT_CODES,
  isTemporary,
  type DoveadmClient,
  type DoveadmRow,
} from '../dovecot/doveadm-client.ts';
import { selectMailbox } from '../dovecot/select-mailbox.ts';
import { errorMessage, UnavailableError } from '../errors.ts';
import type { Logger } from '../logging.ts';
import type { FetchOctets } from './fetch-octets.ts';
import { HEADER_FIELDS, headerFromRow } from './header-from-row.ts';
import { MAX_BODY_OCTETS, MAX_MESSAGE_OCTETS, SHORT_MESSAGE_OCTETS } from './limits.ts';

/**
 * Fetches stored messages of one mailbox by uid, as they are. One whose body is too long to be pushed
 * may come without it, and one that doveadm cannot print as the header fields that a push is made of;
 * both then end before the empty line that a body, if only an empty one, would stand behind.
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

/**
 * After an outage there may be thousands. Their octets are in memory at once, and doveadm 2.4 takes no
 * text of more than 32 KiB.
 */
const UIDS_A_REQUEST = 100;

/**
 * One doveadm request for short messages, and further ones only for the rare: of those that are
 * longer the header is asked for, and then the body if it is short. Octets outside UTF-8 are fetched
 * again by `fetchOctets`; where they cannot be had, a message comes without its body, since that was
 * damaged on the way; its header is good enough. A message that is gone is left out, and so is one
 * that Dovecot cannot read: mail_crypt's private keys may open with nothing but the password that the
 * user logs in with.
 *
 * Dovecot 2.4 (up to 2.4.4 at least) panics while it prints a message of which a block of 8 KiB ends
 * within a UTF-8 sequence: the string stream is left open when it could not take the last octets
 * (lib-json/json-generator.c, json_string_ostream_sendv). The connection is then closed without an
 * answer. That is why only what is short is asked for as a whole. Single fields are printed in another
 * way and are safe, and so are a body below 8 KiB and doveadm's own protocol.
 *
 * @throws UnavailableError Dovecot does not answer
 */
export function createFetchMessages(parts: FetchMessagesParts): FetchMessages {
  const { doveadm, fetchOctets, log } = parts;

  async function fetch(user: string, field: readonly string[], query: readonly string[]) {
    try {
      return await doveadm.run({ name: 'fetch', parameters: { user, field, query } });
    } catch (error) {
      if (error instanceof DoveadmCommandError && GONE.includes(error.exitCode)) return [];
      throw error;
    }
  }

  /** The same for what Dovecot may not be able to read, or to print. */
  async function tryFetch(...asked: Parameters<typeof fetch>): Promise<DoveadmRow[] | Failure> {
    try {
      return await fetch(...asked);
    } catch (error) {
      if (isTemporary(error)) return 'unreadable'; // so doveadm says of mail without a key, too
      if (hungUp(error)) return 'unprintable';
      throw error;
    }
  }

  /** By the other road, if there is one and it works. */
  async function repair(...asked: Parameters<FetchOctets>): Promise<ReadonlyMap<number, Buffer>> {
    if (fetchOctets === undefined) return NONE;
    try {
      return await fetchOctets(...asked);
    } catch (error) {
      if (!(error instanceof UnavailableError || error instanceof DoveadmCommandError)) throw error;
      const [user] = asked;
      log.warn({ user, reason: errorMessage(error) }, 'pushing a message without its content');
      return NONE;
    }
  }

  return async (user, mailbox, uids) => {
    const selected = await selectMailbox(doveadm, user, mailbox);
    const messages = new Map<number, Buffer>();
    for (let at = 0; at < uids.length; at += UIDS_A_REQUEST) {
      const some = uids.slice(at, at + UIDS_A_REQUEST);
      await fetchSome(user, selected, some, messages);
    }
    return messages;
  };

  async function fetchSome(
    user: string,
    selected: readonly string[],
    uids: readonly number[],
    messages: Map<number, Buffer>,
  ): Promise<void> {
    const queryFor = (wanted: readonly number[]) => [...selected, 'uid', wanted.join(',')];
    const missing = (): number[] => uids.filter((uid) => !messages.has(uid));
    if ((await fetchShort(user, queryFor, uids, messages)) === 'unreadable') return;
    if (missing().length > 0) await fetchLong(user, queryFor, missing(), messages);
    if (missing().length === 0) return;
    for (const row of await fetch(user, ['uid', ...HEADER_FIELDS], queryFor(missing()))) {
      messages.set(Number(row['uid']), Buffer.from(headerFromRow(row)));
    }
  }

  async function fetchShort(
    user: string,
    queryFor: QueryFor,
    uids: readonly number[],
    messages: Map<number, Buffer>,
  ): Promise<'unreadable' | 'done'> {
    const short = ['smaller', String(SHORT_MESSAGE_OCTETS)];
    const query = [...queryFor(uids), ...short];
    const rows = await tryFetch(user, ['uid', 'size.physical', 'text'], query);
    if (rows === 'unreadable') return rows;
    let damaged = uids;
    if (rows !== 'unprintable') {
      damaged = rows.filter((row) => !isIntact(row)).map(uidOf);
      for (const row of rows) {
        const text = row['text'] ?? '';
        messages.set(uidOf(row), Buffer.from(isIntact(row) ? text : headerOf(text)));
      }
    }
    if (damaged.length > 0) {
      const repaired = await repair(user, 'text', [...queryFor(damaged), ...short]);
      for (const [uid, message] of repaired) messages.set(uid, message);
    }
    return 'done';
  }

  /** Headers, and bodies that are short: mail that went through many hands has more header than text. */
  async function fetchLong(
    user: string,
    queryFor: QueryFor,
    uids: readonly number[],
    messages: Map<number, Buffer>,
  ): Promise<void> {
    const query = [...queryFor(uids), 'smaller', String(MAX_MESSAGE_OCTETS)];
    const rows = await tryFetch(user, ['uid', 'size.physical', 'hdr'], query);
    if (typeof rows === 'string') return;
    const headers = new Map(rows.map((row) => [uidOf(row), Buffer.from(row['hdr'] ?? '')]));
    for (const row of rows) {
      const header = headers.get(uidOf(row)) ?? NOTHING;
      messages.set(uidOf(row), bodyOctets(row) > 0 ? withoutEmptyLine(header) : header);
    }
    const wanted = rows
      .filter((row) => bodyOctets(row) > 0 && bodyOctets(row) <= MAX_BODY_OCTETS)
      .map(uidOf);
    if (wanted.length === 0) return;
    const found = await tryFetch(user, ['uid', 'body'], queryFor(wanted));
    const bodies = new Map<number, Buffer>();
    for (const row of typeof found === 'string' ? [] : found) {
      const body = row['body'] ?? '';
      if (!body.includes(REPLACEMENT)) bodies.set(uidOf(row), Buffer.from(body));
    }
    const damaged = wanted.filter((uid) => !bodies.has(uid));
    if (damaged.length > 0) {
      const repaired = await repair(user, 'body', queryFor(damaged));
      for (const [uid, body] of repaired) bodies.set(uid, body);
    }
    for (const [uid, body] of bodies) {
      messages.set(uid, Buffer.concat([headers.get(uid) ?? NOTHING, body]));
    }
  }
}

type QueryFor = (uids: readonly number[]) => string[];

type Failure = 'unreadable' | 'unprintable';

const GONE: readonly number[] = [EXIT_CODES.notFound, EXIT_CODES.noSuchUser];
const NONE: ReadonlyMap<number, Buffer> = new Map();
const NOTHING = Buffer.alloc(0);

/** doveadm's answer is text: octets that are not UTF-8 come back as this character, one each. */
const REPLACEMENT = '\u{fffd}';

/** The connection was there, and was closed without an answer. */
const hungUp = (error: unknown): boolean =>
  error instanceof UnavailableError &&
  (error.cause as NodeJS.ErrnoException | undefined)?.code === 'UND_ERR_SOCKET';

const uidOf = (row: DoveadmRow): number => Number(row['uid']);

/** One that says U+FFFD itself is none the worse for it. */
const isIntact = ({ text = '', 'size.physical': size }: DoveadmRow): boolean =>
  !text.includes(REPLACEMENT) || Buffer.byteLength(text) === Number(size);

/** Of a row with its header; what was replaced there took one octet. */
const bodyOctets = ({ hdr = '', 'size.physical': size }: DoveadmRow): number =>
  Number(size) - Buffer.byteLength(hdr.replaceAll(REPLACEMENT, '?'));

const headerOf = (text: string): string => /^.*?\n(?=\r?\n)/s.exec(text)?.[0] ?? text;

const withoutEmptyLine = (header: Buffer): Buffer =>
  header.subarray(
    0,
    header.length - (header.toString('latin1').match(/(?<=\n)\r?\n$/)?.[0].length ?? 0),
  );
