import type { BenchReport, BenchRow } from '../../test/bench/bench.ts';
import { formatValue } from '../../test/bench/print-rows.ts';

/**
 * docs/performance.md.
 *
 * @param notes what people wrote: docs/performance/notes.md
 * @param plots the plots that stand beside it, by the name of what grows
 */
export function renderPerformance(
  report: BenchReport,
  notes: string,
  plots: readonly string[],
): string {
  const { date, cpu, node, dovecot, command, benches } = report;
  return [
    '# Performance',
    `Measured on ${date}: ${cpu}, Node ${node.slice(1)}, Dovecot ${dovecot}, with \`${command}\`. This page is made by \`node scripts/write-performance.ts\`; figures of one run compare with each other only, and a ratio is the median over rounds that alternate.`,
    notes.trim(),
    '## Figures',
    ...benches.flatMap(({ title, rows }) => [
      `### ${title}`,
      table(rows),
      ...plots.filter((plot) => rows.some(({ point }) => point?.plot === plot)).map(picture),
    ]),
    '',
  ].join('\n\n');
}

const table = (rows: readonly BenchRow[]): string =>
  [
    '| what | value | ratio | aim | met |',
    '| --- | --: | --: | --- | --- |',
    ...rows.map(line),
  ].join('\n');

function line(row: BenchRow): string {
  const { name, ratio, aim, met } = row;
  const cells = [
    name.trim(),
    formatValue(row),
    ratio === undefined ? '' : ratio.toFixed(2),
    aim ?? '',
    aim === undefined ? '' : met === true ? 'yes' : '**no**',
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

const picture = (plot: string): string =>
  `![Growth by ${plot}: each figure against its value at the smallest size](performance/growth-by-${plot}.svg)`;
