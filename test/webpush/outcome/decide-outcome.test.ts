import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AttemptResult } from '../../../src/webpush/client/attempt-result.ts';
import {
  decideOutcome,
  needsHistory,
  REFUSALS_UNTIL_REMOVAL,
  type OutcomeContext,
} from '../../../src/webpush/outcome/decide-outcome.ts';
import type { FailureReason } from '../../../src/webpush/client/classify-failure.ts';

const now = Date.UTC(2026, 0, 15, 12);
const NEW = { successes: 0, failuresInARow: 0 };
const HOPELESS = { successes: 0, failuresInARow: REFUSALS_UNTIL_REMOVAL - 1 };
const ALMOST = { successes: 0, failuresInARow: REFUSALS_UNTIL_REMOVAL - 2 };
const PROVEN = { successes: 1, failuresInARow: 99 };

const answer = (status: number, retryAfter?: string): AttemptResult => ({
  kind: 'response',
  status,
  ...(retryAfter !== undefined && { retryAfter }),
});
const failure = (reason: FailureReason): AttemptResult => ({ kind: 'failed', reason });

type Row = [AttemptResult, Partial<OutcomeContext>, action: string, reason: string, msecs?: number];

const check = (name: string, rows: readonly Row[]): void => {
  describe(name, () => {
    for (const [result, context, action, reason, pauseMsecs] of rows) {
      const what = result.kind === 'response' ? result.status : result.reason;
      it(`${what} ${JSON.stringify({ ...result, ...context })}: ${action}, ${reason}`, () => {
        const outcome = decideOutcome(result, { canShrink: false, now, history: NEW, ...context });
        assert.deepEqual(outcome, {
          action,
          reason,
          ...(pauseMsecs !== undefined && { pauseMsecs }),
        });
      });
    }
  });
};

check('decideOutcome: any 2xx is success', [
  ...[200, 201, 202, 204, 226, 299].map((status): Row => {
    return [answer(status), {}, 'delivered', 'accepted'];
  }),
]);

check('decideOutcome: 404 and 410 remove the subscription, proven or not', [
  [answer(404), {}, 'remove-subscription', 'not-found'],
  [answer(410), {}, 'remove-subscription', 'gone'],
  [answer(404), { history: PROVEN }, 'remove-subscription', 'not-found'],
  [answer(410), { history: PROVEN }, 'remove-subscription', 'gone'],
]);

check('decideOutcome: 413 shrinks the payload while it can be shrunk', [
  [answer(413), { canShrink: true }, 'shrink', 'too-large'],
  [answer(413), { canShrink: false }, 'give-up', 'too-large'],
]);

check('decideOutcome: 401 and 403 are our fault: alert, keep', [
  [answer(401), { history: HOPELESS }, 'alert-keep', 'unauthorized'],
  [answer(403), { history: HOPELESS }, 'alert-keep', 'forbidden'],
  [failure('proxy-auth'), {}, 'alert-keep', 'proxy-auth'],
]);

check('decideOutcome: 429, 406 and 503 honour Retry-After, for the whole origin', [
  [answer(429), {}, 'pause', 'throttled'],
  [answer(429, '30'), {}, 'pause', 'throttled', 30_000],
  [answer(429, 'Thu, 15 Jan 2026 12:01:00 GMT'), {}, 'pause', 'throttled', 60_000],
  [answer(429, 'soon'), {}, 'pause', 'throttled'],
  [answer(406, '5'), {}, 'pause', 'throttled', 5_000],
  [answer(406), {}, 'pause', 'throttled'],
  [answer(503, '7'), {}, 'pause', 'throttled', 7_000],
  [answer(503), {}, 'retry', 'server-error'],
  [answer(503, 'soon'), {}, 'retry', 'server-error'],
]);

check('decideOutcome: 5xx, timeouts and network errors are tried again', [
  ...[500, 501, 502, 504, 507, 599, 408, 425].map((status): Row => {
    return [answer(status), { history: HOPELESS }, 'retry', 'server-error'];
  }),
  [answer(600), {}, 'retry', 'protocol'],
  ...(
    [
      'timeout',
      'dns',
      'refused',
      'unreachable',
      'reset',
      'tls',
      'protocol',
      'proxy',
      'internal',
    ] as const
  ).map((reason): Row => [failure(reason), { history: HOPELESS }, 'retry', reason]),
]);

check(
  'decideOutcome: redirects and other 4xx are refused; repeated, with never a success, they remove',
  [
    ...[301, 302, 303, 307, 308].map((status): Row => {
      return [answer(status), {}, 'give-up', 'redirect'];
    }),
    ...[400, 402, 405, 411, 415, 422, 451, 499].map((status): Row => {
      return [answer(status), {}, 'give-up', 'bad-request'];
    }),
    [answer(400), { history: ALMOST }, 'give-up', 'bad-request'],
    [answer(400), { history: HOPELESS }, 'remove-subscription', 'bad-request'],
    [answer(400), { history: PROVEN }, 'give-up', 'bad-request'],
    [answer(301), { history: HOPELESS }, 'remove-subscription', 'redirect'],
    [answer(301), { history: PROVEN }, 'give-up', 'redirect'],
  ],
);

check('decideOutcome: what the guard refuses is refused, unless pushes went there before', [
  [failure('guard'), {}, 'give-up', 'guard'],
  [failure('guard'), { history: HOPELESS }, 'remove-subscription', 'guard'],
  [failure('guard'), { history: PROVEN }, 'retry', 'guard'],
]);

describe('needsHistory', () => {
  it('is true wherever the history decides, and only there', () => {
    const results = [
      ...Array.from({ length: 500 }, (_, index) => answer(100 + index)),
      ...(['guard', 'timeout', 'proxy-auth', 'dns'] as const).map(failure),
    ];
    for (const result of results) {
      const of = (history: OutcomeContext['history'] & object): string =>
        JSON.stringify(decideOutcome(result, { canShrink: true, now, history }));
      const decides = new Set([of(NEW), of(HOPELESS), of(PROVEN)]).size > 1;
      assert.equal(needsHistory(result), decides, JSON.stringify(result));
    }
  });
});

check('decideOutcome: what was perhaps taken goes out again, but seldom', [
  ...(['timeout', 'reset', 'protocol', 'tls', 'unreachable'] as const).map((reason): Row => {
    return [{ ...failure(reason), unanswered: true } as AttemptResult, {}, 'repeat', reason];
  }),
]);
