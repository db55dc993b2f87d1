import type { FastifyReply, FastifyRequest, RequestPayload } from 'fastify';
import { UnavailableError } from '../errors.ts';
import type { BodyBudget } from '../socket/body-budget.ts';
import { LIMITS } from './limits.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** How long the body may take to come in, in milliseconds. */
    bodyMsecs?: number;
  }
}

/**
 * A preParsing hook: bodies that are coming in share a budget, and each has a deadline. One that is given up
 * is answered with 503, and its connection ends.
 */
export const boundBodies =
  (bodies: BodyBudget) =>
  (
    request: FastifyRequest,
    reply: FastifyReply,
    payload: RequestPayload,
    done: (error: null, payload: RequestPayload) => void,
  ): void => {
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
    if (length !== undefined || encoding !== undefined) bound();
    // At once: whoever reads it must listen before it flows.
    done(null, payload);

    function bound(): void {
      const share = bodies.open(() => giveUp('too many bodies come in at once'));
      const msecs = request.routeOptions.config.bodyMsecs ?? LIMITS.bodyMsecs;
      const timer = setTimeout(() => giveUp(`the body is not here after ${msecs} ms`), msecs);
      const count = (chunk: Buffer): void => share.add(chunk.length);
      const finish = (): void => {
        clearTimeout(timer);
        share.close();
        payload.off('data', count);
      };
      payload.on('data', count);
      payload.on('error', finish);
      payload.once('end', finish);
      reply.raw.once('close', finish);

      function giveUp(reason: string): void {
        reply.header('connection', 'close');
        payload.emit('error', new UnavailableError(`${reason}; try again`));
      }
    }
  };
