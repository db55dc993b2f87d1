import type { Identity } from '../act-as.ts';
import { runCommand } from '../../demo/run-command.ts';

/** Has no rights of its own anywhere. */
export const NOBODY = 65_534;

/** The number of a user or a group, asked of the system as every program does: directories included. */
export async function idOf(
  database: 'passwd' | 'group',
  name: string,
): Promise<number | undefined> {
  if (name === '') return undefined;
  if (/^\d+$/.test(name)) return Number(name);
  const id = (await entry(database, name))[2];
  return id === undefined ? undefined : Number(id);
}

/** The groups that the system puts a user into; none for a user that it does not know. */
export async function groupsOf(name: string): Promise<number[]> {
  if (name === '') return [];
  const { stdout } = await runCommand('id', ['-G', name]);
  return stdout.split(/\s+/).filter(Boolean).map(Number);
}

/** Whom a process of that uid is, started as the system starts services. */
export async function identityOf(uid: number): Promise<Identity> {
  const [name = '', , , gid] = await entry('passwd', String(uid));
  return { uid, gid: gid === undefined ? NOBODY : Number(gid), groups: await groupsOf(name) };
}

/** The one that the system gives to a user; that of "nobody" for a uid without a name. */
export const primaryGroupOf = async (uid: number): Promise<number> => (await identityOf(uid)).gid;

async function entry(database: 'passwd' | 'group', key: string): Promise<string[]> {
  const { stdout, exitCode } = await runCommand('getent', [database, key]);
  return exitCode === 0 ? stdout.trim().split(':') : [];
}
