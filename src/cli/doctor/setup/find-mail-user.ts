import { execFile } from 'node:child_process';
import type { DoveadmClient } from '../../../dovecot/doveadm-client.ts';
import { readUserFields } from '../../../dovecot/find-home.ts';
import type { ServerSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { childEnvironment, runCommand } from '../../demo/run-command.ts';
import type { DovecotView, MailUser } from './setup.ts';
import { groupsOf, idOf, NOBODY } from './user-database.ts';

/** A user database that is slow to tell of a first user is not waited for. */
const LIST_TIMEOUT_MSECS = 5_000;

export interface MailUserSources {
  readonly dovecot: DovecotView;
  /** Undefined: the API cannot be used. */
  readonly doveadm: DoveadmClient | undefined;
  /** Dovecot's configuration file; undefined: the one that is built in. */
  readonly dovecotConfig: string | undefined;
  /** A user that the administrator has named. */
  readonly named: string | undefined;
}

/**
 * Whom Dovecot's mail processes run as: as the userdb says for the user that is named, else for the first
 * that Dovecot lists; else as the userdb's settings say for all, or mail_uid. Where none of them tells,
 * every user has an own uid, and "nobody" stands in for them.
 *
 * Groups are those of mail_access_groups. That the system's own /etc/group puts the user into others
 * does not count, unless the userdb says so (`system_groups_user`, as `passwd` does).
 *
 * @see Dovecot src/lib-storage/mail-storage-service.c, service_parse_privileges
 */
export async function findMailUser(sources: MailUserSources): Promise<MailUser> {
  const { settings, problem } = sources.dovecot;
  const name = sources.named ?? (await firstUser(sources));
  const fields = name === undefined ? {} : await ask(sources, name);
  const server = settings?.server;
  const of = (field: 'uid' | 'gid', usual = ''): string =>
    fields[field] ?? sameForAll(server, field) ?? usual;
  const uid = await idOf('passwd', of('uid', server?.mailUid));
  const gid = await idOf('group', of('gid', server?.mailGid));
  const named = await Promise.all(
    (server?.accessGroups ?? []).map((group) => idOf('group', group)),
  );
  const groupsUser = fields['system_groups_user'] ?? '';
  const groups = [...named.filter((id) => id !== undefined), ...(await groupsOf(groupsUser))];
  const guessed = uid === undefined;
  // Without mail_access_groups it would be somebody with fewer rights than mail processes have.
  if (server === undefined) {
    return { ...{ name, fields, groupsUser, problem }, identity: undefined, guessed: false };
  }
  const identity = { uid: uid ?? NOBODY, gid: gid ?? NOBODY, groups };
  return { ...{ name, fields, groupsUser, identity, guessed }, problem: '' };
}

/** What every user database gives to all of its users; undefined where one of them does not say. */
function sameForAll(server: ServerSettings | undefined, field: string): string | undefined {
  const all = (server?.userdbs ?? []).map(({ fields }) => fields.get(field));
  // A variable in it (%{…}, %u) stands for something of the user's own.
  return new Set(all).size === 1 && all[0]?.includes('%') === false ? all[0] : undefined;
}

/** What the userdb has of a user; nothing when it has no such user, which the trip will say. */
async function ask(
  { doveadm, ...sources }: MailUserSources,
  user: string,
): Promise<Readonly<Record<string, string>>> {
  try {
    if (doveadm === undefined) return await askLocally(sources, user);
    return await readUserFields(doveadm, user);
  } catch {
    // doveadm_allowed_commands need not have it.
    return askLocally(sources, user);
  }
}

/** `uid\t1000` and so on, a line each, behind a heading. */
async function askLocally(
  { dovecotConfig }: Pick<MailUserSources, 'dovecotConfig'>,
  user: string,
): Promise<Readonly<Record<string, string>>> {
  const { stdout, exitCode } = await runCommand('doveadm', [...at(dovecotConfig), 'user', user]);
  if (exitCode !== 0) return {};
  const rows = stdout.split('\n').map((line) => line.split('\t'));
  return Object.fromEntries(rows.map(([name = '', value = '']) => [name.trim(), value.trim()]));
}

/** The first that Dovecot lists. Some user databases list nobody, and may have a million. */
function firstUser({ dovecot, dovecotConfig }: MailUserSources): Promise<string | undefined> {
  const userdbs = dovecot.settings?.server.userdbs ?? [];
  const canList = userdbs.length > 0 && userdbs.every(({ lists }) => lists);
  if (!canList || process.getuid?.() !== 0) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const options = { timeout: LIST_TIMEOUT_MSECS, env: childEnvironment() };
    const child = execFile('doveadm', [...at(dovecotConfig), 'user', '*'], options, (_e, all) => {
      resolve(firstOf(all));
    });
    let listed = '';
    child.stdout?.on('data', (text: string) => {
      listed += text;
      const user = firstOf(listed);
      if (user === undefined) return;
      child.kill();
      resolve(user);
    });
  });
}

/** The system's "nobody" has a valid uid, and no mail. */
const firstOf = (listed: string): string | undefined =>
  listed
    .split('\n')
    .slice(0, -1)
    .find((name) => name !== 'nobody');

const at = (file: string | undefined): string[] => (file === undefined ? [] : ['-c', file]);
