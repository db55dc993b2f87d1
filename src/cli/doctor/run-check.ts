import { errorMessage } from '../../errors.ts';
import type { Check, Need, Values } from './check.ts';
import type { CheckResult } from './report.ts';
import type { Setup } from './setup/setup.ts';

/** Runs one check. Whatever it throws is a finding, too: nobody else says it. */
export async function runCheck(check: Check, setup: Setup): Promise<CheckResult> {
  const result: CheckResult = {
    ...{ name: check.name, part: check.part, title: check.title },
    ...{ verdict: 'ok', findings: [], skipped: [], notes: [] },
  };
  const missing = check.needs.map((need) => absence(need, setup)).find((one) => one !== undefined);
  if (missing !== undefined) {
    return { ...result, verdict: 'unknown', skipped: [missing] };
  }
  const { findings, skipped, notes } = result;
  const unknown: string[] = [];
  try {
    await check.run(setup, {
      fault: (name, values = {}) => {
        const fault = check.faults[name];
        if (fault === undefined) throw new Error(`${check.name} has no fault "${name}"`);
        const { severity, what, remedy } = fault;
        const message = fill(what, values);
        // Where several delivery agents meet the same, it is said once.
        if (findings.some((one) => one.message === message)) return;
        findings.push({
          ...{ severity, fault: `${check.name}.${name}` },
          ...{ message, remedy: fill(remedy, values) },
        });
      },
      skip: (reason) => {
        add(unknown, reason);
        add(skipped, reason);
      },
      offer: (what) => add(skipped, what),
      note: (text) => add(notes, text),
    });
  } catch (error) {
    findings.push({
      ...{ severity: 'error', fault: `${check.name}.failed` },
      message: `the check itself failed: ${errorMessage(error)}`,
      remedy: 'If nothing else is wrong, this is a fault of coi-sidecar: report it.',
    });
  }
  return { ...result, verdict: verdictOf(result, unknown.length > 0) };
}

const add = (all: string[], text: string): void => {
  if (!all.includes(text)) all.push(text);
};

/** Puts values into a text's placeholders: `{path} is missing`. */
export const fill = (template: string, values: Values): string =>
  template.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`there is no value for {${name}} in "${template}"`);
    return String(value);
  });

function verdictOf(
  { findings, skipped, notes }: CheckResult,
  isUnknown: boolean,
): CheckResult['verdict'] {
  if (findings.some(({ severity }) => severity === 'error')) return 'error';
  if (findings.length > 0) return 'warning';
  if (isUnknown) return 'unknown';
  // A note says that something was looked at all the same.
  return skipped.length > 0 && notes.length === 0 ? 'skipped' : 'ok';
}

function absence(need: Need, setup: Setup): string | undefined {
  switch (need) {
    case 'configuration':
      return setup.configurationProblem;
    case 'service':
      return setup.service === undefined ? 'the service does not answer' : undefined;
    case 'dovecot':
      return setup.dovecot.settings === undefined ? setup.dovecot.problem : undefined;
    case 'doveadm':
      return setup.doveadmProblem === undefined ? undefined : 'the doveadm API does not answer us';
  }
}
