import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { InvalidInputError } from '../errors.ts';
import type { CommandCall } from './command.ts';

/**
 * The users that a command is for: named one by one, or in a file with one a line; `-` is standard
 * input, for `doveadm user '*' | coi-sidecar import --users-from - …`.
 *
 * @throws InvalidInputError both, or the file cannot be read
 */
export async function readUserNames(
  named: readonly string[],
  from: CommandCall['values'][string],
): Promise<string[]> {
  if (typeof from !== 'string') return [...new Set(named)];
  if (named.length > 0) throw new InvalidInputError('give users or --users-from, not both');
  let content: string;
  try {
    content = from === '-' ? await text(process.stdin) : await readFile(from, 'utf8');
  } catch (error) {
    throw new InvalidInputError(`cannot read the users: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return [...new Set(content.split(/\r?\n/).filter((line) => line !== ''))];
}
