import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DoctorRig, Examination } from '../../../support/doctor-rig.ts';
import type { Break } from '../seeded-faults.ts';

const ALL = ['notify', 'push_notification', 'mail_lua', 'push_notification_lua', 'sieve'];

/** These plugins for lmtp, and no others. */
export const lmtpPlugins = ({ stage }: DoctorRig, names: readonly string[]): Examination => ({
  dovecot:
    stage.dovecot.version === '2.3'
      ? `protocol lmtp {\n  mail_plugins = ${names.join(' ')}\n}`
      : `protocol lmtp {\n  mail_plugins {\n${ALL.map((name) => `${name} = ${names.includes(name) ? 'yes' : 'no'}`).join('\n')}\n  }\n}`,
});

/** Plugins that are configured, and not installed. */
export const withoutModules: Break = async ({ dir }, examine) => {
  const modules = join(dir, 'no-modules');
  await mkdir(modules, { recursive: true });
  return examine({ dovecot: `mail_plugin_dir = ${modules}` });
};
