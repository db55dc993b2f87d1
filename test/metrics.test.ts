import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { format } from 'prettier';
import { createMetrics } from '../src/metrics.ts';
import { renderMetrics } from '../scripts/docs/render-metrics.ts';

describe('metrics', () => {
  const { registry, ...metrics } = createMetrics();
  const all = registry.getMetricsAsArray() as unknown as {
    name: string;
    type: string;
    labelNames?: string[];
  }[];
  const ours = all.filter(({ name }) => name.startsWith('coi_'));

  it('are all in docs/metrics.md', async () => {
    const written = readFileSync('docs/metrics.md', 'utf8');
    assert.equal(written, await format(renderMetrics(registry), { parser: 'markdown' }));
  });

  it('are all registered under names that follow Prometheus’ conventions', () => {
    const made = Object.values(metrics).filter((metric) => typeof metric === 'object');
    assert.equal(ours.length, made.length);
    for (const { name, type } of ours) {
      assert.match(name, /^coi_[a-z_]+$/);
      if (type === 'counter') assert.match(name, /_total$/, name);
      if (type === 'histogram') assert.match(name, /_seconds$/, name);
    }
  });

  it('have no label that could name a user, a mailbox or an endpoint', () => {
    const known = [
      'event',
      'result',
      'road',
      'answer',
      'reason',
      'state',
      'cause',
      'command',
      'about',
      'budget',
      'cache',
      'change',
      'kind',
      'outcome',
      'check',
      'problem',
      'severity',
      'version',
      'node',
    ];
    for (const { name, labelNames = [] } of ours) {
      for (const label of labelNames) assert.ok(known.includes(label), `${name}: ${label}`);
    }
  });

  it('are read when Prometheus asks, all gauges of one moment', async () => {
    const fresh = createMetrics();
    fresh.onCollect(async () => {
      await Promise.resolve();
      fresh.eventsPending.set(3);
      fresh.outboxDepth.set(4);
    });
    const text = await fresh.registry.metrics();
    assert.match(text, /^coi_events_pending 3$/m);
    assert.match(text, /^coi_outbox_pushes 4$/m);
  });
});
