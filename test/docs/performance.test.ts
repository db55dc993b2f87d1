import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { plotGrowth } from '../../scripts/performance/plot-growth.ts';
import { readPerformance } from '../../scripts/performance/read-performance.ts';
import { renderPerformance } from '../../scripts/performance/render-performance.ts';
import { atLeast, atMost, type BenchReport, type BenchRow } from '../bench/bench.ts';

const ROOT = new URL('../../', import.meta.url).pathname;

const growing: BenchRow[] = [1_000, 10_000, 100_000].map((x, index) => ({
  name: `by users, ${x}: CPU a delivery`,
  value: 2 + index,
  unit: 'ms',
  ...(index > 0 && { ratio: (2 + index) / 2 }),
  point: { plot: 'users', series: 'CPU a delivery', x },
}));

const report: BenchReport = {
  date: '2026-01-15',
  node: 'v26.1.0',
  cpu: '2 × Some Processor',
  dovecot: '2.3.19.1',
  command: 'npm run bench',
  benches: [
    {
      title: 'One',
      rows: [
        { name: 'slow', value: 1_234.5, unit: 'µs' },
        { name: '  fast', value: 2, unit: 'µs', ratio: 617.25, ...atLeast(617.25, 4) },
        { name: 'published', ratio: 0.4, ...atLeast(0.4, 0.53) },
        { name: 'share', value: 12, unit: '%', ...atMost(12, 15) },
      ],
    },
    { title: 'Two', rows: growing },
  ],
};

describe('docs/performance.md', () => {
  const page = renderPerformance(report, 'What people wrote.\n', ['users']);

  it('says on what machine and by which command, and what people wrote', () => {
    assert.match(page, /2026-01-15: 2 × Some Processor, Node 26\.1\.0, Dovecot 2\.3\.19\.1/);
    assert.match(page, /with `npm run bench`/);
    assert.match(page, /\n\nWhat people wrote\.\n\n/);
  });

  it('has a line for each figure, beside its aim, and whether that is met', () => {
    const lines = page.split('\n').filter((line) => line.startsWith('| '));
    assert.ok(lines.includes('| slow | 1,235 µs |  |  |  |'));
    assert.ok(lines.includes('| fast | 2 µs | 617.25 | ≥ 4 | yes |'));
    assert.ok(lines.includes('| published |  | 0.40 | ≥ 0.53 | **no** |'));
    assert.ok(lines.includes('| share | 12 % |  | ≤ 15 | yes |'));
  });

  it('shows a plot with the bench that has its points', () => {
    assert.equal(page.split('growth-by-users.svg').length, 2);
    assert.ok(page.indexOf('growth-by-users.svg') > page.indexOf('### Two'));
  });

  it('is what the last results and notes make', async () => {
    const made = await readPerformance();
    const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
    assert.ok(read('docs/performance.md') === made.page, 'run "node scripts/write-performance.ts"');
    for (const [path, svg] of made.plots) assert.ok(read(path) === svg, path);
  });
});

describe('plotGrowth', () => {
  it('draws a line through each series, against its own first value, on logarithmic axes', () => {
    const svg = plotGrowth('users', growing);
    assert.match(svg, /^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    const circles = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => ({
      x: Number(x),
      y: Number(y),
    }));
    const [first, second, third] = circles;
    assert.equal(circles.length, 3);
    assert.ok(first && second && third);
    assert.ok(
      Math.abs(second.x - first.x - (third.x - second.x)) < 0.2,
      'a step is a factor of 10',
    );
    assert.ok(first.y > second.y && second.y > third.y, 'what grows rises');
    assert.match(svg, />CPU a delivery</);
  });

  it('draws nothing of another plot', () => {
    assert.equal(plotGrowth('subscriptions', growing).includes('<circle'), false);
  });
});
