import type { Metrics } from '../metrics.ts';
import type { DeliveryLevels, DeliveryMetrics } from '../webpush/delivery/delivery.ts';

/** Lets the delivery engine count with our metrics; its gauges are read when Prometheus asks. */
export function bindDeliveryMetrics(
  metrics: Metrics,
  levels: () => DeliveryLevels,
): DeliveryMetrics {
  metrics.onCollect(() => {
    const { owed, oldestAgeSeconds, unsettled, origins, pausedResources } = levels();
    metrics.outboxDepth.set(owed);
    metrics.outboxAge.set(oldestAgeSeconds);
    metrics.unsettled.set(unsettled);
    metrics.pausedResources.set(pausedResources);
    for (const [state, count] of Object.entries(origins)) metrics.origins.set({ state }, count);
  });
  return {
    attempted: (kind, outcome, seconds) => {
      metrics.pushes.inc({ kind, outcome });
      metrics.pushDuration.observe(seconds);
    },
    accepted: (kind, seconds) => {
      if (kind === 'message') metrics.pushLatency.observe(seconds);
    },
    dropped: (reason) => metrics.outboxDropped.inc({ reason }),
  };
}
