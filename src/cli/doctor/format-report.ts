import { printable } from '../format-table.ts';
import { PARTS, type Part } from './check.ts';
import type { CheckResult, Report, Verdict } from './report.ts';

/** How a report looks to a person. */
export interface ReportStyle {
  /** ANSI colours: for a terminal only. */
  colour: boolean;
}

const SIGNS = { ok: '✓', warning: '!', error: '✗', unknown: '?', skipped: '-' } as const;
const COLOURS = { ok: 32, warning: 33, error: 31, unknown: 35, skipped: 2 } as const;

/**
 * The report for people: a line for each check, what is wrong below it, the remedy below that, and a
 * summary at the end.
 */
export function formatReport(report: Report, { colour }: ReportStyle): string {
  const paint = (verdict: CheckResult['verdict'], text: string): string =>
    colour ? `\u001b[${COLOURS[verdict]}m${text}\u001b[0m` : text;
  const lines = [`coi-sidecar doctor ${report.version}`];
  for (const [part, heading] of Object.entries(PARTS) as [Part, string][]) {
    const results = report.checks.filter((result) => result.part === part);
    if (results.length > 0) lines.push('', heading);
    for (const result of results) {
      const { verdict, title, findings, skipped, notes } = result;
      const noted = notes.length > 0 && findings.length === 0 ? ` (${notes.join('; ')})` : '';
      lines.push(` ${paint(verdict, SIGNS[verdict])} ${printable(title + noted)}`);
      for (const { severity, message, remedy } of findings) {
        lines.push(`     ${paint(severity, SIGNS[severity])} ${printable(message)}`);
        lines.push(`       → ${printable(remedy)}`);
      }
      for (const reason of skipped) lines.push(paint('skipped', `     - ${printable(reason)}`));
    }
  }
  return [...lines, '', summaryOf(report)].join('\n');
}

function summaryOf({ checks, counts }: Report): string {
  const parts = [
    `${counts.ok} good`,
    ...(counts.warning > 0 ? [`${counts.warning} with warnings`] : []),
    ...(counts.error > 0 ? [`${counts.error} with errors`] : []),
    ...(counts.unknown > 0 ? [`${counts.unknown} that could not be made in full`] : []),
    ...(counts.skipped > 0 ? [`${counts.skipped} not asked for`] : []),
  ];
  return `${checks.length} ${checks.length === 1 ? 'check' : 'checks'}: ${parts.join(', ')}.`;
}

const STATES: Record<Verdict, string> = {
  ok: 'OK',
  warning: 'WARNING',
  error: 'CRITICAL',
  unknown: 'UNKNOWN',
};

/**
 * The report for monitoring: first of all one line with the state and the worst of what was found, and
 * numbers behind a bar; below it a line for everything else that is not good.
 *
 * @see https://nagios-plugins.org/doc/guidelines.html, "Plugin Output for Nagios"
 */
export function formatBrief(report: Report): string {
  const { checks, counts } = report;
  const found = checks.flatMap(({ findings }) => findings);
  const bySeverity = [
    ...found.filter(({ severity }) => severity === 'error'),
    ...found.filter(({ severity }) => severity === 'warning'),
  ].map(({ fault, message, remedy }) => `${fault}: ${message} -> ${remedy}`);
  const unseen = checks
    .filter(({ verdict }) => verdict === 'unknown')
    .map(({ name, skipped }) => `${name}: ${skipped.join('; ')}`);
  const [first = summaryOf(report), ...others] = [...bySeverity, ...unseen].map(oneLine);
  const numbers = (['ok', 'warning', 'error', 'unknown'] as const).map(
    (verdict) => `${verdict}=${counts[verdict]}`,
  );
  return [`${STATES[report.verdict]} - ${first} | ${numbers.join(' ')}`, ...others].join('\n');
}

/** A bar would begin the numbers. */
const oneLine = (text: string): string => printable(text).replaceAll('|', '/');
