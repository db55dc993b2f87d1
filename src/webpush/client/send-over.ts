import type { Dispatcher } from 'undici';
import { errorMessage } from '../../errors.ts';
import { GuardError } from '../guard/guard-error.ts';
import type { JudgedEndpoint } from '../guard/judge-endpoint.ts';
import type { PushRequest } from '../request/build-push-request.ts';
import type { AttemptResult } from './attempt-result.ts';
import { classifyFailure } from './classify-failure.ts';
import type { AnswerHeaders, Exchange } from './exchange.ts';
import { summarizeAnswer } from './summarize-answer.ts';
import type { AnswerWatch, WatchedClient, WatchedHandler } from './watched-client.ts';

/** Once the status is known, what else there is of an answer is waited for no longer than this. */
const REST_GRACE_MSECS = 250;

/** More of an answer than this is not read; push services answer with a line of JSON at most. */
const MAX_ANSWER_OCTETS = 16_384;

interface Deadlines {
  /** Until there is a connection to send over: a free one, or name, proxy and TLS. */
  connectMsecs: number;
  /** From then on until the answer. */
  answerMsecs: number;
}

export interface SendOutcome {
  result: AttemptResult;
  response?: NonNullable<Exchange['response']>;
}

/**
 * Sends one push over a pool of {@link WatchedClient}s and resolves, always and once, within the
 * deadlines. An answer whose status line has come counts, however the rest of it drips, breaks off or
 * breaks the rules.
 */
export const sendOver = (
  dispatcher: Dispatcher,
  request: PushRequest,
  deadlines: Deadlines,
): Promise<SendOutcome> =>
  new Promise((resolve) => new Sending(request, deadlines, resolve).start(dispatcher));

class Sending implements WatchedHandler {
  readonly #request: PushRequest;
  readonly #deadlines: Deadlines;
  readonly #resolve: (outcome: SendOutcome) => void;
  #client: WatchedClient | undefined;
  #watch: AnswerWatch | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** When it was written, in monotonic milliseconds. */
  #startedAt = 0;
  #status = 0;
  #headers: AnswerHeaders = {};
  #octets = 0;
  readonly #chunks: Buffer[] = [];
  #settled = false;

  constructor(request: PushRequest, deadlines: Deadlines, resolve: (outcome: SendOutcome) => void) {
    this.#request = request;
    this.#deadlines = deadlines;
    this.#resolve = resolve;
  }

  start(dispatcher: Dispatcher): void {
    const { target, headers, body } = this.#request;
    this.#endAfter(this.#deadlines.connectMsecs);
    dispatcher.dispatch({ method: 'POST', path: target, headers, body }, this);
  }

  onClient(client: WatchedClient): void {
    this.#client = client;
  }

  /** There is a connection, and the whole request is written to it in this turn of the event loop. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#settled) {
      controller.abort(new Error('cut off'));
      return;
    }
    this.#controller = controller;
    this.#startedAt = performance.now();
    this.#endAfter(this.#deadlines.answerMsecs);
    this.#watch = this.#client?.watch;
    this.#watch?.begin((status) => {
      this.#status = status;
      // The header of another may yet say when to come again.
      if (isSuccess(status)) this.#endAfter(REST_GRACE_MSECS);
    });
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: AnswerHeaders,
  ): void {
    this.#status = status;
    this.#headers = headers;
    this.#endAfter(REST_GRACE_MSECS);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#octets += chunk.length;
    if (this.#octets <= MAX_ANSWER_OCTETS) this.#chunks.push(chunk);
    else this.#cutOff();
  }

  onResponseEnd(): void {
    // Undici takes the connection back in the next turn of the event loop. Whoever sends again
    // before that would be given a new one.
    queueMicrotask(() => setImmediate(() => this.#settleAnswered()));
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#settleFailed(error);
  }

  /** Whatever was waited for before. */
  #endAfter(msecs: number): void {
    clearTimeout(this.#timer);
    if (!this.#settled) this.#timer = setTimeout(() => this.#cutOff(), msecs);
  }

  #cutOff(): void {
    this.#settleFailed(Object.assign(new Error('deadline'), { code: 'ETIMEDOUT' }));
    this.#controller?.abort(new Error('cut off'));
  }

  #settleAnswered(): void {
    const headers = this.#headers;
    const body = Buffer.concat(this.#chunks);
    const result = describe(this.#status, headers, body, this.#request);
    this.#settle({ result, response: { headers, body } });
  }

  #settleFailed(error: unknown): void {
    if (this.#status > 0) {
      this.#settleAnswered();
      return;
    }
    const failure = describeFailure(error);
    const watch = this.#watch;
    const wasQuick = performance.now() - this.#startedAt < this.#deadlines.connectMsecs;
    const wasClosed = failure.reason === 'reset' && watch?.wasIdle === true && wasQuick;
    const unanswered = watch !== undefined && !wasClosed;
    this.#settle({ result: { ...failure, ...(unanswered && { unanswered }) } });
  }

  #settle(outcome: SendOutcome): void {
    if (this.#settled) return;
    this.#settled = true;
    clearTimeout(this.#timer);
    this.#resolve(outcome);
  }
}

const isSuccess = (status: number): boolean => status >= 200 && status < 300;

function describe(
  status: number,
  headers: AnswerHeaders,
  body: Buffer,
  endpoint: JudgedEndpoint,
): AttemptResult {
  const retryAfter = headers['retry-after'];
  const answer = status >= 300 ? summarizeAnswer(body, endpoint) : undefined;
  return {
    kind: 'response',
    status,
    ...(typeof retryAfter === 'string' && { retryAfter }),
    ...(answer !== undefined && { answer }),
  };
}

function describeFailure(error: unknown): Extract<AttemptResult, { kind: 'failed' }> {
  const code = (error as { code?: unknown }).code;
  const cause = (error as { cause?: { code?: unknown } }).cause?.code;
  const detail = error instanceof GuardError ? error.message : (cause ?? code);
  const reason = classifyFailure(error);
  if (reason === 'internal') return { kind: 'failed', reason, detail: errorMessage(error) };
  return { kind: 'failed', reason, ...(typeof detail === 'string' && { detail }) };
}
