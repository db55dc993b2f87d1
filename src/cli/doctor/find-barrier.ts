import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Identity } from './act-as.ts';

/**
 * What keeps a user from a path: the first directory that may not be passed, else the path itself,
 * with owner and mode as `ls` shows them. By modes alone, so it explains a refusal and proves none.
 */
export async function findBarrier(path: string, identity: Identity): Promise<string> {
  const parents: string[] = [];
  for (let dir = dirname(path); ; dir = dirname(dir)) {
    parents.unshift(dir);
    if (dir === dirname(dir)) break;
  }
  for (const dir of parents) {
    const found = await stat(dir).catch(() => undefined);
    if (found === undefined) return `${dir}, which is not there`;
    if (!grants(found, identity, 1)) return describe(dir, found);
  }
  const found = await stat(path).catch(() => undefined);
  return found === undefined ? `${path}, which is not there` : describe(path, found);
}

interface Owned {
  uid: number;
  gid: number;
  mode: number;
}

function grants({ uid, gid, mode }: Owned, identity: Identity, bit: number): boolean {
  if (identity.uid === 0) return true;
  if (uid === identity.uid) return (mode & (bit << 6)) !== 0;
  if (gid === identity.gid || identity.groups.includes(gid)) return (mode & (bit << 3)) !== 0;
  return (mode & bit) !== 0;
}

const describe = (path: string, { uid, gid, mode }: Owned): string =>
  `${path} (${(mode & 0o7777).toString(8).padStart(4, '0')}, uid ${uid}, gid ${gid})`;
