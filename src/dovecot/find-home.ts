import { NotFoundError } from '../errors.ts';
import { DoveadmCommandError, isNoSuchUser, type DoveadmClient } from './doveadm-client.ts';

/**
 * The home directory of a user, as Dovecot's userdb has it.
 *
 * @throws NotFoundError there is no such user, or it has no home
 * @throws DoveadmCommandError, UnavailableError
 */
export async function findHome(doveadm: DoveadmClient, user: string): Promise<string> {
  const missing = `Dovecot knows no home of the user ${JSON.stringify(user)}`;
  try {
    const { home } = await readUserFields(doveadm, user);
    if (home !== undefined && home !== '') return home;
  } catch (error) {
    if (isNoSuchUser(error)) throw new NotFoundError(missing, { cause: error });
    throw error;
  }
  throw new NotFoundError(missing);
}

/**
 * What Dovecot's userdb has of a user.
 *
 * @throws DoveadmCommandError there is no such user (exit code 67), or the userdb did not answer
 * @throws UnavailableError
 */
export async function readUserFields(
  doveadm: Pick<DoveadmClient, 'runAll'>,
  user: string,
): Promise<Record<string, string>> {
  const [fields = {}] = await readFieldsOf(doveadm, [user]);
  if (fields instanceof DoveadmCommandError) throw fields;
  return fields;
}

/**
 * As {@link readUserFields}, of several in one request.
 *
 * `doveadm user` asks the userdb over a connection of whatever user the process served before it, where it
 * is kept between calls, and the userdb then answers for that one's uid alone (auth-master-connection.c,
 * userdb_restricted_uid). A command about this user's mailboxes, which becomes root first, goes before
 * it; what it answers is of no interest.
 *
 * @throws UnavailableError
 * @see Dovecot src/doveadm/doveadm-auth-server.c, cmd_user_ver2
 */
export async function readFieldsOf(
  doveadm: Pick<DoveadmClient, 'runAll'>,
  users: readonly string[],
): Promise<(Record<string, string> | DoveadmCommandError)[]> {
  const answers = await doveadm.runAll(
    users.flatMap((user) => [
      { name: 'mailboxList', parameters: { user, mailboxMask: ['INBOX'] } },
      { name: 'user', parameters: { userMask: [user] } },
    ]),
  );
  return users.map((_user, index) => {
    const answer = answers[2 * index + 1];
    if (answer instanceof DoveadmCommandError) return answer;
    // Unlike other commands it answers one object whose members are the users.
    const found: unknown = answer ?? {};
    const [fields] = Object.values(found as Record<string, Record<string, string> | undefined>);
    return fields ?? {};
  });
}
