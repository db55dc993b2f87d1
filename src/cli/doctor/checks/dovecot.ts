import { defineCheck } from '../check.ts';

/** The oldest release that all of this was tried on. */
const OLDEST = [2, 3, 19] as const;
const NEWEST_SERIES = [2, 4] as const;

export const dovecot = defineCheck({
  name: 'dovecot',
  part: 'dovecot',
  title: 'Dovecot is of a version that is known here, and its configuration can be read',
  needs: [],
  faults: {
    unreadable: {
      severity: 'error',
      what: 'doveconf says: {problem}.',
      remedy: 'Correct Dovecot’s configuration; it would not start with it either.',
    },
    'too-old': {
      severity: 'error',
      what: 'Dovecot {version} is older than 2.3.19.',
      remedy: 'Upgrade: older releases lack what the snippets need.',
    },
    'too-new': {
      severity: 'warning',
      what: 'Dovecot {version} is newer than what this release was tried with (2.3.19 to 2.4).',
      remedy: 'Look for a newer coi-sidecar; give a scratch user (--user) to see what works.',
    },
  },
  run: ({ dovecot: { settings, problem, isFaulty } }, report) => {
    if (settings === undefined) {
      if (isFaulty) report.fault('unreadable', { problem: problem.replace(/\.$/, '') });
      else report.skip(`${problem}: its configuration was not looked at`);
      return;
    }
    const { version } = settings;
    report.note(version);
    const numbers = version.split(/[.-]/).map(Number);
    if (compare(numbers, OLDEST) < 0) report.fault('too-old', { version });
    if (compare(numbers.slice(0, 2), NEWEST_SERIES) > 0) report.fault('too-new', { version });
  },
});

function compare(one: readonly number[], other: readonly number[]): number {
  for (const [index, number] of other.entries()) {
    const difference = (one[index] ?? 0) - number;
    if (difference !== 0) return difference;
  }
  return 0;
}
