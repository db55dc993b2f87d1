/*
 * Asks the registry whether anything is known against what is installed at run time:
 *   npm run audit
 * Ends with 1 when there is something high or critical. Where the question cannot be asked (no network, a
 * registry that does not answer it) it says so and ends with 0: that is no answer, and no fault of the
 * change that is being checked.
 */
import { spawnSync } from 'node:child_process';

export interface AuditVerdict {
  /** Of the process. */
  code: 0 | 1;
  words: string;
}

interface AuditReport {
  metadata?: { vulnerabilities?: Partial<Record<string, number>> };
  vulnerabilities?: Record<string, { severity: string }>;
  message?: string;
  error?: { summary?: string; code?: string };
}

const SERIOUS = ['high', 'critical'];

/** What `npm audit --json` has said, whatever it ended with. */
export function judgeAudit(stdout: string): AuditVerdict {
  let report: AuditReport;
  try {
    report = JSON.parse(stdout) as AuditReport;
  } catch {
    return couldNotRun('npm audit gave no JSON');
  }
  const counts = report.metadata?.vulnerabilities;
  if (counts === undefined) {
    const { message, error } = report;
    // Without the address: it names the registry that this machine uses.
    const said = [error?.summary, message, error?.code].find(
      (one) => one !== undefined && one !== '',
    );
    const reason = said ?? 'no reason given';
    return couldNotRun(reason.replaceAll(/https?:\/\/\S+/g, 'the registry'));
  }
  const serious = Object.entries(report.vulnerabilities ?? {}).filter(([, { severity }]) =>
    SERIOUS.includes(severity),
  );
  const all = counts['total'] ?? 0;
  if (serious.length > 0) {
    const names = serious.map(([name, { severity }]) => `${name} (${severity})`).join(', ');
    return { code: 1, words: `${names}: see "npm audit --omit=dev"` };
  }
  return { code: 0, words: all === 0 ? 'no advisories' : `${all} advisories, none of them high` };
}

const couldNotRun = (reason: string): AuditVerdict => ({
  code: 0,
  words: `COULD NOT RUN, so nothing is known: ${reason}`,
});

if (import.meta.main) {
  const { stdout, error } = spawnSync('npm', ['audit', '--omit=dev', '--json'], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  const { code, words } = error === undefined ? judgeAudit(stdout) : couldNotRun(error.message);
  console.log(`audit: ${words}`);
  process.exitCode = code;
}
