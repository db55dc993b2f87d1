import { DoveadmCommandError, EXIT_CODES, type DoveadmClient } from '../dovecot/doveadm-client.ts';

/** Fetches stored messages of one mailbox, header and body as they are, by uid. */
export type FetchMessages = (
  user: string,
  mailbox: string,
  uids: readonly number[],
) => Promise<Map<number, Buffer>>;

/** doveadm's answer is text: octets that are not UTF-8 come back as this character. */
const REPLACEMENT = '\u{fffd}';

/**
 * One doveadm call for all of them. A message that is gone is left out. One that held octets outside
 * UTF-8 comes without its body, since that was damaged on the way; its header is good enough.
 *
 * @throws UnavailableError Dovecot does not answer
 */
export function createFetchMessages(doveadm: DoveadmClient): FetchMessages {
  return async (user, mailbox, uids) => {
    const messages = new Map<number, Buffer>();
    try {
      const rows = await doveadm.run({
        name: 'fetch',
        parameters: {
          user,
          field: ['uid', 'text'],
          query: ['mailbox', mailbox, 'uid', uids.join(',')],
        },
      });
      for (const row of rows) {
        const text = row['text'] ?? '';
        messages.set(
          Number(row['uid']),
          Buffer.from(text.includes(REPLACEMENT) ? headerOf(text) : text),
        );
      }
    } catch (error) {
      const gone = error instanceof DoveadmCommandError && GONE.includes(error.exitCode);
      if (!gone) throw error;
    }
    return messages;
  };
}

const GONE: readonly number[] = [EXIT_CODES.notFound, EXIT_CODES.noSuchUser];

const headerOf = (text: string): string => /^.*?\r?\n\r?\n/s.exec(text)?.[0] ?? text;
