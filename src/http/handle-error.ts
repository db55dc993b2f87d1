import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { errorMessage, NotFoundError, SidecarError } from '../errors.ts';

/** How each kind of our errors shows over HTTP. */
const STATUS: Readonly<Record<string, number>> = {
  invalid_input: 400,
  not_found: 404,
  conflict: 409,
  unavailable: 503,
  doveadm_command: 502,
};

const GONE: ReadonlySet<string> = new Set(['ERR_STREAM_PREMATURE_CLOSE', 'ECONNRESET', 'EPIPE']);

/** How our HTTP library's own refusals are called. */
const CODES: Readonly<Record<number, string>> = {
  404: 'not_found',
  408: 'timeout',
  413: 'too_large',
  414: 'too_large',
  415: 'unsupported_media_type',
  431: 'too_large',
};

/** What is refused before anything of ours has seen it. What was sent is not repeated. */
export function describeRefusal(
  status: number,
  error: { code?: string; message: string },
): ErrorBody {
  const message = WORDS[error.code ?? ''] ?? error.message;
  return {
    error: CODES[status] ?? 'invalid_input',
    message: message.charAt(0).toLowerCase() + message.slice(1),
  };
}

interface ErrorBody {
  error: string;
  message: string;
}

const WORDS: Readonly<Record<string, string>> = {
  FST_ERR_BAD_URL: 'the path is not percent-encoded as it should be',
  FST_ERR_MAX_PARAM_LENGTH: 'a part of the path is too long',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'bodies of this Content-Type are not read here',
  HPE_HEADER_OVERFLOW: 'the header is too long',
  ERR_HTTP_REQUEST_TIMEOUT: 'the request was not whole in time',
};

/** There is no such path, or not with this method. */
export function refuseUnknownPath(): never {
  throw new NotFoundError(
    'there is no such path, or not with this method; GET /v1/openapi.json describes the calls of administrators',
  );
}

/** For what has come in as a connection, and is no request. */
export function refuseNoRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status =
    { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 }[error.code ?? ''] ?? 400;
  const { code = '', message } = error;
  const known = { code, message: WORDS[code] === undefined ? 'this is no HTTP request' : message };
  const body = JSON.stringify(describeRefusal(status, known));
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}

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
    void reply.code(status).send(describeRefusal(status, error));
    return;
  }
  // Who asked has gone before body or answer was whole: there is nobody to tell, and nothing wrong here.
  if (GONE.has(error.code) && reply.raw.destroyed) return;
  request.log.error({ err: error }, 'unexpected error');
  void reply.code(500).send({ error: 'internal', message: 'unexpected error; the log says more' });
}
