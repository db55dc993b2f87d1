// Writes docs/performance.md and its plots from what the benches measured:
//
//   npm run bench -- --json=docs/performance/results.json
//   node scripts/write-performance.ts
//
// The text in between stands in docs/performance/notes.md. A test holds the page against both.
import { writeFileSync } from 'node:fs';
import { readPerformance } from './performance/read-performance.ts';

const { page, plots } = await readPerformance();
for (const [path, svg] of plots) writeFileSync(path, svg);
writeFileSync('docs/performance.md', page);
