import { DoveadmCommandError, EXIT_CODES, type DoveadmClient } from './doveadm-client.ts';

/**
 * The words of a search that stand for one mailbox: `mailbox INBOX`. To doveadm a name there is
 * always a pattern (mail-search-register-human.c, SEARCH_MAILBOX_GLOB), so one that has a wildcard of
 * its own, say `100%`, is looked up and given by its GUID. Whichever way, the search finds nothing
 * when the mailbox is gone.
 *
 * @throws UnavailableError Dovecot does not answer
 * @throws DoveadmCommandError it refused for another reason than that something is gone
 */
export async function selectMailbox(
  doveadm: Pick<DoveadmClient, 'run'>,
  user: string,
  mailbox: string,
): Promise<readonly string[]> {
  if (!/[*%]/.test(mailbox)) return ['mailbox', mailbox];
  try {
    const rows = await doveadm.run({
      name: 'mailboxStatus',
      parameters: { user, field: ['guid'], mailboxMask: [mailbox] },
    });
    const row = rows.find((one) => one['mailbox'] === mailbox);
    return ['mailbox-guid', row?.['guid'] ?? NO_MAILBOX];
  } catch (error) {
    const isGone = error instanceof DoveadmCommandError && GONE.includes(error.exitCode);
    if (isGone) return ['mailbox-guid', NO_MAILBOX];
    throw error;
  }
}

const GONE: readonly number[] = [EXIT_CODES.notFound, EXIT_CODES.noSuchUser];
const NO_MAILBOX = '0'.repeat(32);
