import type { DoveadmClient } from '../../../dovecot/doveadm-client.ts';
import { readUserFields } from '../../../dovecot/find-home.ts';
import type { ServerSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import type { Identity } from '../act-as.ts';
import type { MailUser } from './setup.ts';
import { groupsOf, idOf, NOBODY } from './user-database.ts';

/**
 * Whom Dovecot's mail processes run as: as the userdb says for a user that is named, else as mail_uid
 * says. Where every user has an own uid and none is named, "nobody" stands in for them.
 *
 * Groups are those of mail_access_groups. That the system's own /etc/group puts the user into others
 * does not count, unless the userdb says so (`system_groups_user`, as `passwd` does).
 *
 * @see Dovecot src/lib-storage/mail-storage-service.c, service_parse_privileges
 */
export async function findMailUser(
  server: ServerSettings | undefined,
  doveadm: DoveadmClient | undefined,
  user: string | undefined,
): Promise<MailUser> {
  const fields = user === undefined || doveadm === undefined ? {} : await ask(doveadm, user);
  const uid = await idOf('passwd', fields['uid'] ?? server?.mailUid ?? '');
  const gid = await idOf('group', fields['gid'] ?? server?.mailGid ?? '');
  const named = await Promise.all(
    (server?.accessGroups ?? []).map((group) => idOf('group', group)),
  );
  const groupsUser = fields['system_groups_user'] ?? '';
  const own = await groupsOf(groupsUser);
  const groups = [...named.filter((id) => id !== undefined), ...own];
  if (uid !== undefined) {
    return {
      identity: { uid, gid: gid ?? NOBODY, groups },
      groupsUser,
      guessed: false,
      problem: '',
    };
  }
  if (server === undefined) {
    return {
      ...{ identity: undefined, groupsUser, guessed: false },
      problem: 'whose mail it is is not known here',
    };
  }
  const identity: Identity = { uid: NOBODY, gid: gid ?? NOBODY, groups };
  return { identity, groupsUser, guessed: true, problem: '' };
}

/** What the userdb has of a user; nothing when it has no such user, which the trip will say. */
async function ask(doveadm: DoveadmClient, user: string): Promise<Record<string, string>> {
  try {
    return await readUserFields(doveadm, user);
  } catch {
    return {};
  }
}
