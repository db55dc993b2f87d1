import { readFile } from 'node:fs/promises';
import { InvalidInputError } from '../errors.ts';

/**
 * The number of a group, given as name or number. Names are looked up in `/etc/group` (group(5));
 * groups of a directory service have to be given as numbers.
 *
 * @throws InvalidInputError no such group
 */
export async function findUnixGroup(group: string, groupFile = '/etc/group'): Promise<number> {
  if (/^\d{1,10}$/.test(group)) return Number(group);
  for (const line of (await readFile(groupFile, 'utf8')).split('\n')) {
    const [name, , id] = line.split(':');
    if (name === group && id && /^\d+$/.test(id)) return Number(id);
  }
  throw new InvalidInputError(
    `no group "${group}" in ${groupFile}; give the number of a group that stands elsewhere`,
  );
}
