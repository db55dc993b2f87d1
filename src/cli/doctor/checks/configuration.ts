import { stat } from 'node:fs/promises';
import { actAs, canActAs } from '../act-as.ts';
import { judgeOptions } from '../../judge-options.ts';
import { defineCheck, type Reporter } from '../check.ts';
import type { Setup } from '../setup/setup.ts';

/** Our own configuration: what `coi-sidecar check` says, and what it does not see. */
export const configuration = defineCheck({
  name: 'configuration',
  part: 'service',
  title: 'The configuration is good, and the service runs with it',
  needs: ['configuration'],
  faults: {
    invalid: {
      severity: 'error',
      what: '{problem}',
      remedy: 'Correct {file}; "coi-sidecar check" says the same.',
    },
    'open-to-others': {
      severity: 'error',
      what: '{file} (mode {mode}) can be read by everyone on this host, and its secrets with it.',
      remedy: 'chmod o= {file}, then change its secrets: http.token, doveadm.api_key …',
    },
    'changed-since-start': {
      severity: 'warning',
      what: '{file} was changed ({changed}) after the service had started ({started}).',
      remedy: 'Restart the service: it reads its configuration at the start only.',
    },
    'contact-missing': {
      severity: 'warning',
      what: 'webpush.vapid_subject is empty: some push services refuse pushes without a contact.',
      remedy: 'Set webpush.vapid_subject: "mailto:postmaster@your-domain.org", and restart.',
    },
    refused: {
      severity: 'error',
      what: 'the service does not start: {problem}.',
      remedy: 'Correct {file}, or what it names, and restart; "coi-sidecar check" says the same.',
    },
    'key-file': {
      severity: 'error',
      what: 'store.key_file: {problem}',
      remedy: 'chown it to the user of the service, and chmod 600.',
    },
  },
  run: async (setup, report) => {
    const { configFile } = setup.options;
    if (configFile === undefined) report.note('from the environment');
    else await checkFile(configFile, setup, report);
    if (setup.config.webpush.vapid_subject === '') report.fault('contact-missing');
    const problems = await judgeOptions(setup.config);
    const file = configFile ?? 'the environment';
    for (const problem of problems) report.fault('refused', { problem, file });
    if (!problems.some((problem) => problem.startsWith('store.key_file'))) {
      await checkKeyFile(setup, report);
    }
  },
});

type Report = Reporter<keyof typeof configuration.faults>;

async function checkFile(file: string, { service }: Setup, report: Report): Promise<void> {
  const { mode, mtime } = await stat(file);
  if ((mode & 0o007) !== 0) {
    report.fault('open-to-others', { file, mode: (mode & 0o777).toString(8).padStart(4, '0') });
  }
  const started = service?.started ?? '';
  if (started !== '' && mtime > new Date(started)) {
    report.fault('changed-since-start', { file, changed: mtime.toISOString(), started });
  }
}

/** Whoever runs this may read more than the service. */
async function checkKeyFile({ config, serviceUser }: Setup, report: Report): Promise<void> {
  const path = config.store.key_file;
  if (path === '' || serviceUser === undefined || !canActAs(serviceUser)) return;
  const [read] = await actAs(serviceUser, [{ do: 'read', path }]);
  if (read?.done === false) {
    report.fault('key-file', { problem: `the service cannot read ${path} (${read.code}).` });
  }
}
