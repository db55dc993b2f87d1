import type { AttemptResult } from '../client/attempt-result.ts';
import type { Outcome, PassingReason, RefusalReason } from './outcome.ts';
import { parseRetryAfter } from './parse-retry-after.ts';

/** What the decision depends on besides the answer. */
export interface OutcomeContext {
  /** Whether the push can be made smaller than it was. */
  canShrink: boolean;
  /** How the subscription fared before this attempt; see {@link needsHistory}. */
  history?: { successes: number; failuresInARow: number };
  /** Milliseconds since the epoch: Retry-After may be a date. */
  now: number;
}

/** A subscription that never took a push is removed at this many refusals in a row. */
export const REFUSALS_UNTIL_REMOVAL = 5;

/** Whether {@link decideOutcome} asks how the subscription fared before. */
export const needsHistory = (result: AttemptResult): boolean => {
  if (result.kind === 'failed') return result.reason === 'guard';
  const { status } = result;
  return status >= 300 && status < 500 && !DECIDED.has(status);
};

const DECIDED = new Set([401, 403, 404, 406, 408, 410, 413, 425, 429]);

/** What an attempt's result means: the table of outcomes. Pure. */
export function decideOutcome(result: AttemptResult, context: OutcomeContext): Outcome {
  return result.kind === 'response'
    ? decideByStatus(result.status, result.retryAfter, context)
    : decideByFailure(result, context);
}

function decideByStatus(
  status: number,
  retryAfter: string | undefined,
  context: OutcomeContext,
): Outcome {
  // RFC 8030 section 5 says 201; others answer 200, 202 or 204 and mean the same.
  if (status >= 200 && status < 300) return { action: 'delivered', reason: 'accepted' };
  if (status >= 300 && status < 400) return refused('redirect', context);
  const pauseMsecs =
    retryAfter === undefined ? undefined : parseRetryAfter(retryAfter, context.now);
  switch (status) {
    case 401:
      return { action: 'alert-keep', reason: 'unauthorized' };
    case 403:
      return { action: 'alert-keep', reason: 'forbidden' };
    case 404:
      return { action: 'remove-subscription', reason: 'not-found' };
    case 410:
      return { action: 'remove-subscription', reason: 'gone' };
    case 413:
      return context.canShrink
        ? { action: 'shrink', reason: 'too-large' }
        : refused('too-large', context);
    case 406: // How Windows' service throttles.
    case 429:
      return pause(pauseMsecs);
    case 503:
      if (pauseMsecs !== undefined) return pause(pauseMsecs);
      return { action: 'retry', reason: 'server-error' };
    case 408: // Request Timeout and Too Early blame the moment, not the request.
    case 425:
      return { action: 'retry', reason: 'server-error' };
  }
  if (status >= 500 && status < 600) return { action: 'retry', reason: 'server-error' };
  if (status >= 400 && status < 500) return refused('bad-request', context);
  return { action: 'retry', reason: 'protocol' };
}

function decideByFailure({ reason, unanswered }: Failure, context: OutcomeContext): Outcome {
  if (reason === 'proxy-auth') return { action: 'alert-keep', reason };
  if (unanswered && reason !== 'guard') return { action: 'repeat', reason };
  if (reason !== 'guard') return { action: 'retry', reason: reason satisfies PassingReason };
  // A service that took pushes before has not become an attack: its name servers are in trouble.
  const proven = (context.history?.successes ?? 0) > 0;
  return proven ? { action: 'retry', reason } : refused(reason, context);
}

type Failure = Extract<AttemptResult, { kind: 'failed' }>;

const pause = (pauseMsecs: number | undefined): Outcome => ({
  action: 'pause',
  reason: 'throttled',
  ...(pauseMsecs !== undefined && { pauseMsecs }),
});

function refused(reason: RefusalReason, { history }: OutcomeContext): Outcome {
  const hopeless = history?.successes === 0 && history.failuresInARow + 1 >= REFUSALS_UNTIL_REMOVAL;
  return { action: hopeless ? 'remove-subscription' : 'give-up', reason };
}
