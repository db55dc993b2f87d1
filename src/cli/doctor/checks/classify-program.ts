import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { SieveSettings } from '../../../dovecot/settings/dovecot-settings.ts';
import { shippedFile } from '../../shipped-file.ts';
import { defineCheck, type Reporter } from '../check.ts';
import { sievesOf, usesProgram } from '../delivery.ts';
import { chooseSample } from '../probes/choose-sample.ts';
import { isClassification } from '../probes/sample-message.ts';
import type { Setup } from '../setup/setup.ts';
import { tryAsMailUser } from '../try-as-mail-user.ts';

export const classifyProgram = defineCheck({
  name: 'classify-program',
  part: 'classify',
  title: 'Sieve finds the program coi-classify, which gets an answer over HTTP',
  needs: ['dovecot'],
  applies: (setup) => sievesOf(setup).some(usesProgram),
  faults: {
    missing: {
      severity: 'error',
      what: '{file} is not there.',
      remedy: 'Copy dovecot-conf/sieve-bin/coi-classify there, and chmod 755 it.',
    },
    outdated: {
      severity: 'warning',
      what: '{file} is not the coi-classify of this release.',
      remedy: 'Copy dovecot-conf/sieve-bin/coi-classify there again, unless you changed it.',
    },
    'settings-missing': {
      severity: 'error',
      what: '{file}, with the URL and the token, is not there.',
      remedy: 'Write it as coi-classify says in its first lines.',
    },
    'settings-open': {
      severity: 'warning',
      what: '{file} can be read by everyone on this host, and the token with it.',
      remedy: 'chmod 640 it, with a group that mail processes have (mail_access_groups).',
    },
    'not-run': {
      severity: 'error',
      what: '{who} cannot run {file}: {problem}.',
      remedy: 'chmod 755 the program; its directories need 755.',
    },
    fails: {
      severity: 'error',
      what: '{file} gets no answer (exit code {status}): chat goes to INBOX.',
      remedy:
        'Check URL and token in {settings}, that the mail user may read it, and that curl is installed.',
    },
  },
  run: async (setup, report) => {
    for (const theirs of sievesOf(setup).filter(usesProgram))
      await tryProgram(theirs, setup, report);
  },
});

async function tryProgram(
  { binDir = '' }: SieveSettings,
  setup: Setup,
  report: Reporter<keyof typeof classifyProgram.faults>,
): Promise<void> {
  const file = join(binDir, 'coi-classify');
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) {
    report.fault('missing', { file });
    return;
  }
  const shipped = await readFile(shippedFile('dovecot-conf/sieve-bin/coi-classify'), 'utf8');
  if (text !== shipped) report.fault('outdated', { file });
  const config = join(dirname(binDir), 'classify.conf');
  const found = await stat(config).catch(() => undefined);
  if (found === undefined) {
    report.fault('settings-missing', { file: config });
    return;
  }
  if ((found.mode & 0o004) !== 0) report.fault('settings-open', { file: config });

  const { user, message } = chooseSample(setup);
  const order = { do: 'run', file, args: [], env: { USER: user }, input: message } as const;
  const tried = await tryAsMailUser(setup, order, report.skip);
  if (tried === undefined) return;
  const { outcome, who } = tried;
  if (!outcome.done) report.fault('not-run', { who, file, problem: outcome.message });
  else if (outcome.status === 0 && isClassification((outcome.output ?? '').trim())) {
    report.note(file);
  } else report.fault('fails', { file, settings: config, status: outcome.status ?? -1 });
}
