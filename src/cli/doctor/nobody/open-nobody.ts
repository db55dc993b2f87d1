import { join } from 'node:path';
import type { DovecotSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { PROBE_USER } from '../../../events/probes.ts';
import type { Identity } from '../act-as.ts';
import type { Setup } from '../setup/setup.ts';
import { makeHome, type Home } from './make-home.ts';
import { scratchSettings, type Override } from './scratch-settings.ts';
import { serveUserdb } from './serve-userdb.ts';

/** A user that there is only while this is open. */
export interface Nobody extends AsyncDisposable {
  readonly home: Home;
  /** For a program of Dovecot's: its configuration, and what keeps it to this user. */
  options(overrides: readonly Override[]): string[];
}

/**
 * @param identity whose mail it is
 * @param starter whom the program is started as, when it is not root: it takes no further groups then
 */
export async function openNobody(
  { mailUser, options }: Setup,
  settings: DovecotSettings,
  identity: Identity,
  starter?: Identity,
): Promise<Nobody> {
  await using opening = new AsyncDisposableStack();
  const home = opening.use(await makeHome(identity));
  const { groupsUser } = mailUser;
  const userdb = opening.use(
    await serveUserdb(join(home.around, 'userdb'), PROBE_USER, {
      ...{ uid: String(identity.uid), gid: String(identity.gid), home: home.path },
      ...(groupsUser !== '' && starter === undefined && { system_groups_user: groupsUser }),
    }),
  );
  const place = { userdb: userdb.path, mail: join(home.path, 'Maildir') };
  const { dovecotConfig } = options;
  const opened = opening.move();
  return {
    home,
    options: (overrides) => [
      ...(dovecotConfig === undefined ? [] : ['-c', dovecotConfig]),
      ...[...scratchSettings(settings, place), ...overrides].flatMap(([name, value]) => [
        '-o',
        `${name}=${value}`,
      ]),
    ],
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
