import { DoveadmCommandError, EXIT_CODES } from '../dovecot/doveadm-client.ts';
import type { DoveadmSocket } from '../dovecot/doveadm-socket.ts';
import { WORTHWHILE_OCTETS } from './limits.ts';

/**
 * Fetches messages by uid, octet by octet as they are stored; those too long for a push are left out.
 *
 * @param selected the words that stand for their mailbox (see selectMailbox)
 */
export type FetchOctets = (
  user: string,
  selected: readonly string[],
  uids: readonly number[],
) => Promise<Map<number, Buffer>>;

/** Over doveadm's own protocol, which carries any octets. */
export const createFetchOctets =
  (socket: DoveadmSocket): FetchOctets =>
  async (user, selected, uids) => {
    const messages = new Map<number, Buffer>();
    // "--": a mailbox may be named like an option.
    const words = ['fetch', '-u', user, '--', 'uid text'];
    const query = [...selected, 'uid', uids.join(','), 'smaller', String(WORTHWHILE_OCTETS)];
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
