import { stat } from 'node:fs/promises';
import type { DovecotSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { actAs } from '../act-as.ts';
import { defineCheck } from '../check.ts';
import { readConfigFiles } from '../probes/read-config-files.ts';
import { NOBODY } from '../setup/user-database.ts';

/** Some open everything: only root and Dovecot itself need them. Others open a road of ours. */
const SECRETS = {
  'key-open': /^\s*(doveadm_api_key|doveadm_password)\s*=\s*(\S+)/m,
  'token-open':
    /^\s*(coi_sidecar_token|http_post_url|transport_args|ox_url|push_notification_driver\d*)\s*=\s*((?<=token\s*=\s*)\S+|\S*\/\/[^\s:@/]+:[^\s@/]+@)/m,
} as const;

export const secrets = defineCheck({
  name: 'secrets',
  part: 'dovecot',
  title: 'Nobody else can read the secrets in Dovecot’s configuration',
  needs: ['dovecot'],
  faults: {
    'key-open': {
      severity: 'error',
      what: '{file} ({mode}), with {setting}, can be read by everyone on this host: it opens all mail of everybody.',
      remedy:
        'chmod 600 {file}; then change the key, there and in doveadm.api_key, and restart Dovecot and the service.',
    },
    'token-open': {
      severity: 'warning',
      what: '{file} ({mode}), with {setting}, can be read by everyone on this host, who may report events of everybody then.',
      remedy:
        'chmod 640 {file}, with the group of mail processes (coi-mail); then change http.token, there too, and restart.',
    },
  },
  run: async (setup, report) => {
    const { configFile } = setup.dovecot.settings as DovecotSettings;
    let read = 0;
    for (const { path, text } of await readConfigFiles(setup.options.dovecotConfig ?? configFile)) {
      for (const [fault, pattern] of Object.entries(SECRETS)) {
        const [, setting, value = ''] = pattern.exec(text) ?? [];
        if (setting === undefined) continue;
        read += 1;
        const file = value.startsWith('<') ? value.slice(1) : path;
        if (!(await isOpen(file))) continue;
        const { mode } = await stat(file);
        const values = { file, setting, mode: (mode & 0o7777).toString(8).padStart(4, '0') };
        report.fault(fault as keyof typeof SECRETS, values);
      }
    }
    if (read > 0) report.note(`in ${read} files`);
    else report.skip('the files with them cannot be read from here');
  },
});

/** Root asks the kernel, which looks at the directories as well; others take the mode for it. */
async function isOpen(path: string): Promise<boolean> {
  if (process.getuid?.() === 0) {
    const [outcome] = await actAs({ uid: NOBODY, gid: NOBODY, groups: [] }, [{ do: 'read', path }]);
    return outcome?.done === true;
  }
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && (found.mode & 0o004) !== 0;
}
