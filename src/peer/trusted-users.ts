import { readFile } from 'node:fs/promises';

/**
 * Whose processes may be shown a secret: root's, this process's own user's, and those of the users
 * given. A name that `/etc/passwd` does not have trusts nobody; users of a directory service have to be
 * given as numbers.
 */
export async function trustedUids(
  users: readonly (string | number)[],
  passwdFile = '/etc/passwd',
): Promise<ReadonlySet<number>> {
  const uids = new Set([0, process.getuid?.() ?? 0]);
  const names = new Set<string>();
  for (const user of users.map(String)) {
    if (/^\d{1,10}$/.test(user)) uids.add(Number(user));
    else names.add(user);
  }
  if (names.size === 0) return uids;
  for (const line of (await readFile(passwdFile, 'utf8')).split('\n')) {
    const [name = '', , uid] = line.split(':');
    if (names.has(name) && uid !== undefined && /^\d+$/.test(uid)) uids.add(Number(uid));
  }
  return uids;
}
