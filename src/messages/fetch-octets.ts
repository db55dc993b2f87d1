import { DoveadmCommandError, EXIT_CODES } from '../dovecot/doveadm-client.ts';
import type { DoveadmSocket } from '../dovecot/doveadm-socket.ts';
import type { FetchMessages } from './fetch-messages.ts';
import { WORTHWHILE_OCTETS } from './limits.ts';

/**
 * Fetches messages octet by octet as they are stored, over doveadm's own protocol; those too long for
 * a push are left out.
 */
export const createFetchOctets =
  (socket: DoveadmSocket): FetchMessages =>
  async (user, mailbox, uids) => {
    const messages = new Map<number, Buffer>();
    // "--": a mailbox may be named like an option.
    const words = ['fetch', '-u', user, '--', 'uid text'];
    const query = ['mailbox', mailbox, 'uid', uids.join(','), 'smaller', String(WORTHWHILE_OCTETS)];
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
