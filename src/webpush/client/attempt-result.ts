import type { FailureReason } from './classify-failure.ts';

/** What became of one request to a push service. */
export type AttemptResult =
  | {
      kind: 'response';
      status: number;
      /** The Retry-After header as it came. */
      retryAfter?: string;
      /** The beginning of an error's body, for the log: one line, without URLs. */
      answer?: string;
    }
  | {
      kind: 'failed';
      reason: FailureReason;
      /** The error's own code or the guard's words, for the log. */
      detail?: string;
      /** The push was written as a whole: the push service may well have taken it. */
      unanswered?: true;
    };
