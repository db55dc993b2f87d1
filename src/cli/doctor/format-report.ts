import { printable } from '../format-table.ts';
import { PARTS, type Part } from './check.ts';
import type { CheckResult, Report } from './report.ts';

/** How a report looks to a person. */
export interface ReportStyle {
  /** ANSI colours: for a terminal only. */
  colour: boolean;
}

const SIGNS = { ok: '✓', warning: '!', error: '✗', skipped: '-' } as const;
const COLOURS = { ok: 32, warning: 33, error: 31, skipped: 2 } as const;

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
    ...(counts.skipped > 0 ? [`${counts.skipped} not made`] : []),
  ];
  return `${checks.length} ${checks.length === 1 ? 'check' : 'checks'}: ${parts.join(', ')}.`;
}
