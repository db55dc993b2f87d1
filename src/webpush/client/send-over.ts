import type { Dispatcher } from 'undici';
import { errorMessage } from '../../errors.ts';
import { GuardError } from '../guard/guard-error.ts';
import type { PushRequest } from '../request/build-push-request.ts';
import type { AttemptResult } from './attempt-result.ts';
import { classifyFailure } from './classify-failure.ts';
import type { AnswerHeaders, Exchange } from './exchange.ts';
import { summarizeAnswer } from './summarize-answer.ts';

/** Once the status is known, an answer's body is waited for no longer than this. */
const BODY_GRACE_MSECS = 250;

/** More of an answer than this is not read; push services answer with a line of JSON at most. */
const MAX_ANSWER_OCTETS = 16_384;

export interface SendOutcome {
  result: AttemptResult;
  response?: NonNullable<Exchange['response']>;
}

/**
 * Sends one push over a dispatcher and resolves, always and once, within `timeoutMsecs`: the deadline
 * covers waiting for a connection, name, proxy, TLS and answer. An answer whose status is known counts,
 * however slowly the rest of it drips.
 */
export function sendOver(
  dispatcher: Dispatcher,
  request: PushRequest,
  timeoutMsecs: number,
): Promise<SendOutcome> {
  return new Promise((resolve) => {
    let controller: Dispatcher.DispatchController | undefined;
    let status = 0;
    let headers: AnswerHeaders = {};
    let octets = 0;
    const chunks: Buffer[] = [];
    let settled = false;

    const settle = (outcome: SendOutcome): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      resolve(outcome);
    };
    const settleAnswered = (): void => {
      const body = Buffer.concat(chunks);
      settle({ result: describe(status, headers, body, request.url), response: { headers, body } });
    };
    const settleFailed = (error: unknown): void => {
      if (status !== 0) settleAnswered();
      else settle({ result: describeFailure(error) });
    };
    const cutOff = (): void => {
      settleFailed(Object.assign(new Error('deadline'), { code: 'ETIMEDOUT' }));
      controller?.abort(new Error('cut off'));
    };
    let timer = setTimeout(cutOff, timeoutMsecs);
    const deadline = performance.now() + timeoutMsecs;

    dispatcher.dispatch(
      {
        method: 'POST',
        path: request.url.pathname + request.url.search,
        headers: request.headers,
        body: request.body,
      },
      {
        onRequestStart(started) {
          controller = started;
          if (settled) started.abort(new Error('cut off'));
        },
        onResponseStart(_controller, code, received) {
          if (code < 200) return; // 103 Early Hints and the like; the deadline goes on.
          status = code;
          headers = received;
          clearTimeout(timer);
          const left = deadline - performance.now();
          timer = setTimeout(cutOff, Math.max(0, Math.min(left, BODY_GRACE_MSECS)));
        },
        onResponseData(_controller, chunk) {
          octets += chunk.length;
          if (octets <= MAX_ANSWER_OCTETS) chunks.push(chunk);
          else cutOff();
        },
        onResponseEnd() {
          // Undici takes the connection back in the next turn of the event loop. Whoever sends again
          // before that would be given a new one.
          queueMicrotask(() => setImmediate(settleAnswered));
        },
        onResponseError(_controller, error) {
          settleFailed(error);
        },
      },
    );
  });
}

function describe(status: number, headers: AnswerHeaders, body: Buffer, url: URL): AttemptResult {
  const retryAfter = headers['retry-after'];
  const answer = status >= 300 ? summarizeAnswer(body, url) : undefined;
  return {
    kind: 'response',
    status,
    ...(typeof retryAfter === 'string' && { retryAfter }),
    ...(answer !== undefined && { answer }),
  };
}

function describeFailure(error: unknown): AttemptResult {
  const code = (error as { code?: unknown }).code;
  const cause = (error as { cause?: { code?: unknown } }).cause?.code;
  const detail = error instanceof GuardError ? error.message : (cause ?? code);
  const reason = classifyFailure(error);
  if (reason === 'internal') return { kind: 'failed', reason, detail: errorMessage(error) };
  return { kind: 'failed', reason, ...(typeof detail === 'string' && { detail }) };
}
