import { readFile } from 'node:fs/promises';

/**
 * The numbers of system users, given as names or numbers, by what was given. What `/etc/passwd` does not
 * have is left out: users of a directory service have to be given as numbers.
 */
export async function uidsOf(
  users: Iterable<string>,
  passwdFile = '/etc/passwd',
): Promise<Map<string, number>> {
  const uids = new Map<string, number>();
  const names = new Set<string>();
  for (const user of users) {
    if (/^\d{1,10}$/.test(user)) uids.set(user, Number(user));
    else names.add(user);
  }
  if (names.size === 0) return uids;
  for (const line of (await readFile(passwdFile, 'utf8')).split('\n')) {
    const [name = '', , uid] = line.split(':');
    if (names.has(name) && uid !== undefined && /^\d+$/.test(uid)) uids.set(name, Number(uid));
  }
  return uids;
}

/** Whose processes may be shown a secret: root's, this process's own user's, and those of `users`. */
export async function trustedUids(
  users: readonly (string | number)[],
  passwdFile?: string,
): Promise<ReadonlySet<number>> {
  const given = await uidsOf(users.map(String), passwdFile);
  return new Set([0, process.getuid?.() ?? 0, ...given.values()]);
}
