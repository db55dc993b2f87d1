import { NotFoundError } from '../errors.ts';
import { DoveadmCommandError, EXIT_CODES, type DoveadmClient } from './doveadm-client.ts';

/**
 * The home directory of a user, as Dovecot's userdb has it.
 *
 * @throws NotFoundError there is no such user, or it has no home
 * @throws DoveadmCommandError, UnavailableError
 * @see Dovecot src/doveadm/doveadm-auth-server.c, cmd_user_ver2
 */
export async function findHome(doveadm: DoveadmClient, user: string): Promise<string> {
  const missing = `Dovecot knows no home of the user ${JSON.stringify(user)}`;
  try {
    // Unlike other commands it answers one object whose members are the users.
    const answer: unknown = await doveadm.run({
      name: 'user',
      parameters: { userMask: [user], field: 'home' },
    });
    const [fields] = Object.values(answer as Record<string, { home?: string } | undefined>);
    if (fields?.home) return fields.home;
  } catch (error) {
    if (error instanceof DoveadmCommandError && error.exitCode === EXIT_CODES.noSuchUser) {
      throw new NotFoundError(missing, { cause: error });
    }
    throw error;
  }
  throw new NotFoundError(missing);
}
