// Writes docs/performance.md and its plots from what the benches measured:
//
//   npm run bench -- --json=docs/performance/results.json
//   node scripts/write-performance.ts
//
// The text in between stands in docs/performance/notes.md. A test holds the page against both.
import { readFileSync, writeFileSync } from 'node:fs';
import { format } from 'prettier';
import type { BenchReport } from '../test/bench/bench.ts';
import { plotGrowth } from './performance/plot-growth.ts';
import { renderPerformance } from './performance/render-performance.ts';

const report = JSON.parse(readFileSync('docs/performance/results.json', 'utf8')) as BenchReport;
const rows = report.benches.flatMap((bench) => bench.rows);
const plots = [...new Set(rows.flatMap(({ point }) => (point ? [point.plot] : [])))];
for (const plot of plots) {
  writeFileSync(`docs/performance/growth-by-${plot}.svg`, plotGrowth(plot, rows));
}
const notes = readFileSync('docs/performance/notes.md', 'utf8');
const page = await format(renderPerformance(report, notes, plots), { parser: 'markdown' });
writeFileSync('docs/performance.md', page);
