import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startAtZero } from '../../src/app/start-at-zero.ts';
import { createMetrics } from '../../src/metrics.ts';

interface Described {
  name: string;
  type: string;
  labelNames?: string[];
  get(): Promise<{ values: { value: number; labels: Record<string, string> }[] }>;
}

const metrics = createMetrics();
startAtZero(metrics);
const counters = (metrics.registry.getMetricsAsArray() as unknown as Described[]).filter(
  ({ name, type }) => name.startsWith('coi_') && type === 'counter',
);

describe('the counters at the start', () => {
  for (const counter of counters) {
    const { name, labelNames = [] } = counter;
    it(`${name} is there, at 0, with every combination of its labels`, async () => {
      const { values } = await counter.get();
      assert.ok(values.every(({ value }) => value === 0));
      const sets = labelNames.map((label) => new Set(values.map(({ labels }) => labels[label])));
      const combinations = sets.reduce((product, set) => product * set.size, 1);
      assert.ok(combinations > 0);
      assert.equal(values.length, combinations);
    });
  }

  it('are not so many that Prometheus would mind', async () => {
    const lines = (await metrics.registry.metrics()).split('\n');
    assert.ok(lines.filter((line) => line.startsWith('coi_')).length < 600);
  });
});
