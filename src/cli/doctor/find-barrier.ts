import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { actAs, type Deed, type Identity } from './act-as.ts';

/**
 * What keeps a user from a path: the first directory that they may not pass, else the path itself, with
 * owner and mode as `ls` shows them.
 *
 * @throws UnavailableError as {@link actAs}
 */
export async function findBarrier(path: string, identity: Identity): Promise<string> {
  const parents: string[] = [];
  for (let dir = dirname(path); ; dir = dirname(dir)) {
    parents.unshift(dir);
    if (dir === dirname(dir)) break;
  }
  const deeds = parents.map((dir): Deed => ({ do: 'pass', path: dir }));
  const passed = await actAs(identity, deeds);
  return describe(parents.find((_dir, i) => passed[i]?.done === false) ?? path);
}

async function describe(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return `${path}, which is not there`;
  const { uid, gid, mode } = found;
  return `${path} (${(mode & 0o7777).toString(8).padStart(4, '0')}, uid ${uid}, gid ${gid})`;
}
