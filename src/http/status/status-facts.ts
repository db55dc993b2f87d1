import type { ReadinessReport } from '../../readiness.ts';
import type { DeliverySnapshot } from '../../webpush/delivery/delivery.ts';
import type { Sample } from './history.ts';
import type { Problem } from './judge-health.ts';
import type { RecentAttempt } from '../../webpush/delivery/recent-attempts.ts';
import type { Totals } from './totals.ts';

/** What the status page is made of. Nothing in it names a user, an endpoint or a secret. */
export interface StatusFacts {
  /** Milliseconds since the epoch, both. */
  now: number;
  startedAt: number;
  service: {
    version: string;
    node: string;
    host: string;
    /** `metadata.source`, `events.driver` and the store's kind. */
    source: 'dict' | 'doveadm';
    driver: 'lua' | 'ox';
    store: string;
  };
  /** Undefined while the first look is still under way. */
  readiness: ReadinessReport | undefined;
  /** Oldest first; the last one is of now. */
  samples: readonly Sample[];
  /** When each total last grew, in milliseconds since the epoch. */
  heard: ReadonlyMap<keyof Totals, number>;
  /** What is wrong though all parts work, the worst first. */
  problems: readonly Problem[];
  delivery: DeliverySnapshot;
  /** The newest first. */
  attempts: readonly RecentAttempt[];
  throttledUsers: number;
  /** Transactions that wait to be handled. */
  pending: number;
}
