import {
  DoveadmCommandError,
  EXIT_CODES,
  type DoveadmClient,
  type DoveadmCommand,
} from './doveadm-client.ts';

/**
 * Which of these mailboxes a user has, in one request. `mailboxList` would name parents too that are
 * none themselves (`\Noselect`, or deleted while others are below).
 *
 * `mailboxStatus` with a wildcard considers only what can be selected, and logs nothing of what is not
 * there. In Maildir++ it takes a deleted parent for a mailbox all the same, and is refused then; so it
 * is for the sake of a sibling whose name begins alike, and the exact name decides.
 *
 * @see Dovecot src/doveadm/doveadm-mailbox-list-iter.c
 * @throws UnavailableError Dovecot does not answer
 * @throws DoveadmCommandError it refused
 */
export async function findMailboxes(
  doveadm: DoveadmClient,
  user: string,
  mailboxes: readonly string[],
): Promise<Set<string>> {
  const guesses = await ask(mailboxes, '%');
  const doubtful = mailboxes.filter((_name, index) => guesses[index] === 'refused');
  const answers = await ask(doubtful, '');
  const isThere = (name: string, index: number): boolean =>
    guesses[index] === 'there' || answers[doubtful.indexOf(name)] === 'there';
  return new Set(mailboxes.filter(isThere));

  async function ask(names: readonly string[], wildcard: '%' | '') {
    const results = await doveadm.runAll(names.map((name) => status(user, name + wildcard)));
    return results.map((result, index) => {
      if (!(result instanceof DoveadmCommandError)) {
        return result.some(({ mailbox }) => mailbox === names[index]) ? 'there' : 'missing';
      }
      if (result.exitCode === EXIT_CODES.notFound) return 'refused';
      throw result;
    });
  }
}

const status = (user: string, mask: string): DoveadmCommand => ({
  name: 'mailboxStatus',
  parameters: { user, mailboxMask: [mask], field: ['uidvalidity'] },
});
