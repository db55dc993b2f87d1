import { readFileSync } from 'node:fs';
import { format } from 'prettier';
import type { BenchReport } from '../../test/bench/bench.ts';
import { plotGrowth } from './plot-growth.ts';
import { renderPerformance } from './render-performance.ts';

const read = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

/** docs/performance.md and its plots by path, as the results and the notes beside them make them. */
export async function readPerformance(): Promise<{ page: string; plots: [string, string][] }> {
  const report = JSON.parse(read('docs/performance/results.json')) as BenchReport;
  const rows = report.benches.flatMap((bench) => bench.rows);
  const names = [...new Set(rows.flatMap(({ point }) => (point ? [point.plot] : [])))];
  const text = renderPerformance(report, read('docs/performance/notes.md'), names);
  return {
    page: await format(text, { parser: 'markdown' }),
    plots: names.map((name) => [`docs/performance/growth-by-${name}.svg`, plotGrowth(name, rows)]),
  };
}
