import { UnavailableError } from '../../../errors.ts';
import { talk } from './talk.ts';

/**
 * Asks as Sieve's "execute" does, in Dovecot's script protocol.
 *
 * @param message undefined for "ping"
 * @returns what the program printed
 * @throws Error with the system's code when there is no connection
 * @throws UnavailableError it failed, or speaks something else
 * @see Dovecot src/lib-program-client/program-client-remote.c
 */
export async function askScript(
  path: string,
  user: string,
  message: string | undefined,
): Promise<string> {
  const head = ['VERSION\tscript\t4\t0', `env_USER=${user}`, '-'];
  if (message === undefined) head.push('ping');
  const said = `${head.join('\n')}\n\n${message ?? ''}`;
  const answer = await talk(path, said, { isWhole: () => false, end: true });
  if (answer.endsWith('+\n')) return answer.slice(0, -2);
  throw new UnavailableError(answer === '-\n' ? 'it failed' : 'it did not answer as a script does');
}
