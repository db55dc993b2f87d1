import assert from 'node:assert/strict';
import { it } from 'node:test';
import { bindDeliveryMetrics } from '../../src/app/bind-delivery-metrics.ts';
import { createMetrics } from '../../src/metrics.ts';

it('what is owed, and what the outbox does not let go of, is read when Prometheus asks', async () => {
  const metrics = createMetrics();
  const levels = {
    owed: 3,
    oldestAgeSeconds: 60,
    unsettled: 2,
    origins: { open: 1, failing: 4 },
    pausedResources: 5,
  };
  bindDeliveryMetrics(metrics, () => levels);
  const text = await metrics.registry.metrics();
  for (const line of [
    'coi_outbox_pushes 3',
    'coi_outbox_oldest_age_seconds 60',
    'coi_push_unsettled 2',
    'coi_push_origins{state="failing"} 4',
    'coi_push_resources_paused 5',
  ]) {
    assert.ok(text.split('\n').includes(line), line);
  }
});
