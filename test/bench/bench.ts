import { writeFileSync } from 'node:fs';
import { printRows } from './print-rows.ts';

/** One measured figure. Benches compare within one run, so what counts is the ratio. */
export interface BenchRow {
  name: string;
  /** Absent where only a ratio is known: figures that others have published. */
  value?: number;
  unit?: string;
  /** Against the row that it is compared with; absent for that row itself. */
  ratio?: number;
  /** What the ratio, or the value where there is no ratio, is meant to be, in words. */
  aim?: string;
  /** Whether it is. */
  met?: boolean;
  /** Where the figure stands in a plot of how something grows. */
  point?: { plot: string; series: string; x: number };
}

/** Everything that one run of `run.ts` measured. */
export interface BenchReport {
  date: string;
  node: string;
  cpu: string;
  dovecot: string;
  command: string;
  benches: { title: string; rows: BenchRow[] }[];
}

export interface BenchOptions {
  quick: boolean;
}

export type Bench = (options: BenchOptions) => Promise<BenchRow[]>;

/** The aim that `measured` be at least so much. */
export const atLeast = (measured: number, aim: number): Pick<BenchRow, 'aim' | 'met'> => ({
  aim: `≥ ${aim}`,
  met: measured >= aim,
});

/** The aim that `measured` be at most so much. */
export const atMost = (measured: number, aim: number): Pick<BenchRow, 'aim' | 'met'> => ({
  aim: `≤ ${aim}`,
  met: measured <= aim,
});

/** Runs a bench that was started by itself; `run.ts` starts them all. */
export async function runAlone(meta: ImportMeta, title: string, bench: Bench): Promise<void> {
  if (!meta.main) return;
  const quick = process.argv.includes('--quick');
  const rows = await bench({ quick });
  printRows(title, rows);
  const json = process.argv.find((argument) => argument.startsWith('--json='));
  if (json === undefined) return;
  writeFileSync(json.slice('--json='.length), JSON.stringify({ title, rows }));
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
