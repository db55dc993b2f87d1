import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { errorMessage, SidecarError } from '../errors.ts';

/** How each kind of our errors shows over HTTP. */
const STATUS: Readonly<Record<string, number>> = {
  invalid_input: 400,
  not_found: 404,
  conflict: 409,
  unavailable: 503,
  doveadm_command: 502,
};

const GONE: ReadonlySet<string> = new Set(['ERR_STREAM_PREMATURE_CLOSE', 'ECONNRESET', 'EPIPE']);

/**
 * One shape for every error: `{ error: <code>, message: <what, where, what to do> }`. What the caller
 * did wrong is said to the caller; what went wrong here is logged, and said only if it is ours.
 */
export function handleError(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  if (error instanceof SidecarError) {
    const status = STATUS[error.code] ?? 500;
    if (status >= 500) {
      request.log.error({ code: error.code, reason: error.message }, 'a request failed');
    }
    void reply.code(status).send({ error: error.code, message: error.message });
    return;
  }
  if (error.validation !== undefined) {
    const [first] = error.validation;
    const where = `${error.validationContext ?? 'body'}${first?.instancePath.replaceAll('/', '.') ?? ''}`;
    const what = first?.message ?? errorMessage(error);
    void reply.code(400).send({ error: 'invalid_input', message: `${where} ${what}` });
    return;
  }
  const status = error.statusCode ?? 500;
  if (status < 500) {
    void reply.code(status).send({ error: error.code, message: error.message });
    return;
  }
  // Who asked has gone before the body was whole: there is nobody to tell, and nothing wrong here.
  if (GONE.has(error.code)) return;
  request.log.error({ err: error }, 'unexpected error');
  void reply.code(500).send({ error: 'internal', message: 'unexpected error; the log says more' });
}
