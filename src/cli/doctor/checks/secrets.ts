import { stat } from 'node:fs/promises';
import type { DovecotSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { actAs } from '../act-as.ts';
import { defineCheck } from '../check.ts';
import { readConfigFiles } from '../probes/read-config-files.ts';
import { NOBODY } from '../setup/user-database.ts';

type Fault = 'key-open' | 'token-open';

/** Which secret a setting holds: some open everything, others a road of ours. */
function secretIn(name: string, value: string): Fault | undefined {
  if (value === '') return undefined;
  if (name === 'doveadm_api_key' || name === 'doveadm_password') return 'key-open';
  const isUrl = /\/\/[^\s:@/]+:[^\s@/]+@/.test(value);
  return name === 'coi_sidecar_token' || isUrl ? 'token-open' : undefined;
}

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
      for (const [setting, value] of settingsIn(text)) {
        const fault = secretIn(setting, value);
        if (fault === undefined) continue;
        read += 1;
        const file = value.startsWith('<') ? value.slice(1) : path;
        if (!(await isOpen(file))) continue;
        const { mode } = await stat(file);
        const values = { file, setting, mode: (mode & 0o7777).toString(8).padStart(4, '0') };
        report.fault(fault, values);
      }
    }
    if (read > 0 || process.getuid?.() === 0) report.note(`${read} found`);
    else report.skip('the files with them cannot be read from here');
  },
});

/** `name = value` of each line. */
const settingsIn = (text: string): [name: string, value: string][] =>
  text.split('\n').flatMap((line) => {
    const [name = '', ...rest] = line.split('=');
    const isSetting = rest.length > 0 && !name.trimStart().startsWith('#');
    return isSetting ? [[name.trim(), rest.join('=').trim()]] : [];
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
