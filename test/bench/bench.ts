import { writeFileSync } from 'node:fs';

/** One measured figure. Benches compare within one run, so what counts is the ratio. */
export interface BenchRow {
  name: string;
  /** Absent where only a ratio is known: figures that others have published. */
  value?: number;
  unit?: string;
  /** Against the row that it is compared with; absent for that row itself. */
  ratio?: number;
  /** What the ratio (or the value, where there is no ratio) is meant to be, in words. */
  aim?: string;
}

export interface BenchOptions {
  quick: boolean;
}

export type Bench = (options: BenchOptions) => Promise<BenchRow[]>;

/** Runs a bench that was started by itself; `run.ts` runs them all. */
export async function runAlone(meta: ImportMeta, title: string, bench: Bench): Promise<void> {
  if (!meta.main) return;
  const quick = process.argv.includes('--quick');
  const rows = await bench({ quick });
  printRows(title, rows);
  const json = process.argv.find((argument) => argument.startsWith('--json='));
  if (json !== undefined)
    writeFileSync(json.slice('--json='.length), JSON.stringify(rows, null, 2));
}

export function printRows(title: string, rows: readonly BenchRow[]): void {
  const width = Math.max(...rows.map(({ name }) => name.length));
  console.log(`\n${title}`);
  for (const { name, value, unit, ratio, aim } of rows) {
    const shown = (value === undefined ? '' : `${format(value)} ${unit ?? ''}`).padStart(18);
    const compared = ratio === undefined ? '' : `  ×${ratio.toFixed(2)}`;
    console.log(
      `  ${name.padEnd(width)} ${shown}${compared}${aim === undefined ? '' : `  (aim: ${aim})`}`,
    );
  }
}

const format = (value: number): string =>
  value.toLocaleString('en', { maximumFractionDigits: value < 100 ? 2 : 0 });

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
