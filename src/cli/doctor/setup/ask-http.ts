import { Agent } from 'undici';
import { errorMessage, UnavailableError } from '../../../errors.ts';
import { createCheckedConnector } from '../../../peer/checked-connector.ts';

export interface HttpAnswer {
  status: number;
  /** Of the answer, in milliseconds since the epoch, as the other side's clock has it. */
  date: number | undefined;
  /** WWW-Authenticate: what it wants to be shown. */
  challenge: string;
  text: string;
}

export interface HttpQuestion {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** The Authorization header's value. */
  authorization?: string;
  body?: string;
}

/** @throws UnavailableError nobody answers there, or not in time */
export type AskHttp = (url: string | URL, question?: HttpQuestion) => Promise<HttpAnswer>;

const TIMEOUT_MSECS = 10_000;

/**
 * Asks once; no connection is kept, so nothing of it outlives the answer. A question that carries a token
 * goes to nobody on this host who is not root, us or one of these users.
 */
export const createAskHttp =
  (users: Parameters<typeof createCheckedConnector>[1]): AskHttp =>
  async (url, { method = 'GET', authorization, body } = {}) => {
    const { origin, pathname, search } = new URL(url);
    const isSecret = authorization !== undefined;
    const agent = new Agent({
      pipelining: 0,
      ...(isSecret && { connect: createCheckedConnector({ origin }, users) }),
    });
    try {
      const {
        statusCode,
        headers,
        body: stream,
      } = await agent.request({
        ...{ origin, path: pathname + search, method, body: body ?? null },
        headers: {
          ...(authorization !== undefined && { authorization }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        signal: AbortSignal.timeout(TIMEOUT_MSECS),
      });
      const text = await stream.text();
      const date = Date.parse(String(headers['date']));
      const challenge = String(headers['www-authenticate'] ?? '');
      return { status: statusCode, date: Number.isNaN(date) ? undefined : date, challenge, text };
    } catch (error) {
      throw new UnavailableError(reasonOf(error), { cause: error });
    } finally {
      await agent.destroy();
    }
  };

/** `connect ECONNREFUSED 127.0.0.1:9380`; undici wraps several attempts into one without a text. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return reasonOf(error.errors[0]);
  return errorMessage(error) || (error as NodeJS.ErrnoException).code || 'no reason given';
}

export const bearer = (token: string): string => `Bearer ${token}`;
