/** How one attempt to push ended. */
export interface DeliveryResult {
  delivered: boolean;
  /** The delivery engine's name for it (`delivered`, `gone`, `timeout` …). */
  outcome: string;
  /** The HTTP status; absent when there was no answer. */
  status?: number;
}

/** What is known of the pushes to one endpoint. */
export interface DeliveryHistory {
  successes: number;
  failures: number;
  /** Failures since the last success. */
  failuresInARow: number;
  lastOutcome?: string;
  lastStatus?: number;
  /** Milliseconds since the epoch. */
  lastAt?: number;
}

export const NO_DELIVERIES: DeliveryHistory = { successes: 0, failures: 0, failuresInARow: 0 };

/** The history that consists of one attempt. */
export const historyOf = (result: DeliveryResult, at: number): DeliveryHistory => ({
  successes: result.delivered ? 1 : 0,
  failures: result.delivered ? 0 : 1,
  failuresInARow: result.delivered ? 0 : 1,
  lastOutcome: result.outcome,
  ...(result.status !== undefined && { lastStatus: result.status }),
  lastAt: at,
});

/** One history after another; the order matters, the grouping does not. */
export function joinHistories(before: DeliveryHistory, after: DeliveryHistory): DeliveryHistory {
  if (after.lastAt === undefined) return before;
  return {
    ...after,
    successes: before.successes + after.successes,
    failures: before.failures + after.failures,
    failuresInARow:
      after.successes > 0 ? after.failuresInARow : before.failuresInARow + after.failuresInARow,
  };
}
