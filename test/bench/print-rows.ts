import type { BenchRow } from './bench.ts';

/** The rows of a bench as a table on standard output. */
export function printRows(title: string, rows: readonly BenchRow[]): void {
  const width = Math.max(...rows.map(({ name }) => name.length));
  console.log(`\n${title}`);
  for (const row of rows) {
    const { name, ratio, aim, met } = row;
    const columns = [
      name.padEnd(width),
      formatValue(row).padStart(18),
      (ratio === undefined ? '' : `×${ratio.toFixed(2)}`).padStart(8),
      aim === undefined ? '' : `${met === true ? '✓' : '✗'} aim: ${aim}`,
    ];
    console.log(`  ${columns.join(' ')}`.trimEnd());
  }
}

/** The value with its unit; empty where there is none. */
export function formatValue({ value, unit }: Pick<BenchRow, 'value' | 'unit'>): string {
  if (value === undefined) return '';
  const digits = Math.abs(value) < 100 ? 2 : 0;
  return `${value.toLocaleString('en', { maximumFractionDigits: digits })} ${unit ?? ''}`;
}
