import { DoveadmCommandError, EXIT_CODES } from '../dovecot/doveadm-client.ts';
import type { DoveadmSocket } from '../dovecot/doveadm-socket.ts';

/**
 * Fetches messages, or their bodies, by uid, octet by octet as they are stored.
 *
 * @param query which, in the words of doveadm-search-query(7)
 */
export type FetchOctets = (
  user: string,
  field: 'text' | 'body',
  query: readonly string[],
) => Promise<Map<number, Buffer>>;

/** Over doveadm's own protocol, which carries any octets. */
export const createFetchOctets =
  (socket: DoveadmSocket): FetchOctets =>
  async (user, field, query) => {
    const messages = new Map<number, Buffer>();
    // "--": a mailbox may be named like an option.
    const words = ['fetch', '-u', user, '--', `uid ${field}`];
    try {
      const values = await socket.run(user, [...words, ...query]);
      for (let at = 0; at + 1 < values.length; at += 2) {
        messages.set(Number(values[at]?.toString('latin1')), Buffer.from(values[at + 1] ?? ''));
      }
    } catch (error) {
      if (!(error instanceof DoveadmCommandError && error.exitCode === EXIT_CODES.notFound)) {
        throw error;
      }
    }
    return messages;
  };
