import { stat } from 'node:fs/promises';
import { errorMessage } from '../../../errors.ts';
import { readKeyFile } from '../../../stores/read-key-file.ts';
import { checkVapidSubject } from '../../../webpush/vapid/check-vapid-subject.ts';
import { actAs, canActAs } from '../act-as.ts';
import { defineCheck, type Reporter } from '../check.ts';
import type { Setup } from '../setup/setup.ts';

/** Our own configuration, as far as `coi-sidecar check` does not see it. */
export const configuration = defineCheck({
  name: 'configuration',
  part: 'service',
  title: 'The configuration is good, and the service runs with it',
  needs: [],
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
    'contact-refused': {
      severity: 'error',
      what: 'the service does not start, and push services would refuse it: {problem}.',
      remedy: 'Set webpush.vapid_subject: "mailto:postmaster@your-domain.org", and restart.',
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
    checkContact(setup.config.webpush.vapid_subject, report);
    if (setup.config.store.key_file !== '') await checkKeyFile(setup, report);
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

function checkContact(subject: string, report: Report): void {
  if (subject === '') report.fault('contact-missing');
  try {
    checkVapidSubject(subject);
  } catch (error) {
    report.fault('contact-refused', { problem: errorMessage(error) });
  }
}

async function checkKeyFile({ config, serviceUser }: Setup, report: Report): Promise<void> {
  const path = config.store.key_file;
  try {
    readKeyFile(path);
  } catch (error) {
    report.fault('key-file', { problem: errorMessage(error) });
    return;
  }
  if (serviceUser === undefined || !canActAs(serviceUser)) return;
  const [read] = await actAs(serviceUser, [{ do: 'read', path }]);
  if (read?.done === false) {
    report.fault('key-file', { problem: `the service cannot read ${path} (${read.code}).` });
  }
}
