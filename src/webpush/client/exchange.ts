import type { PushRequest } from '../request/build-push-request.ts';
import type { AttemptResult } from './attempt-result.ts';

export type AnswerHeaders = Record<string, string | string[] | undefined>;

/** One request and what came back, as the rawlog writes it. */
export interface Exchange {
  user: string;
  request: PushRequest;
  /** Milliseconds since the epoch. */
  startedAt: number;
  elapsedMsecs: number;
  result: AttemptResult;
  /** Missing when there was no answer; the body may be cut short. */
  response?: { headers: AnswerHeaders; body: Buffer };
}
