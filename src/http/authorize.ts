import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

/**
 * An onRequest hook that lets through who shows the token: as a bearer token (RFC 6750), or as the
 * password of Basic authentication (RFC 7617) for those parts of Dovecot that can put credentials
 * only into a URL. The comparison takes the same time wherever the tokens differ.
 *
 * @param remedy for the log: which token has to be set to what
 */
export function authorize(token: string, remedy: string) {
  const expected = digest(token);
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const shown = readCredentials(request.headers.authorization);
    if (shown !== undefined && timingSafeEqual(digest(shown), expected)) return;
    request.log.warn(
      { path: request.routeOptions.url },
      `request ${shown === undefined ? 'without a' : 'with a wrong'} token refused; ${remedy}`,
    );
    await reply.code(401).header('www-authenticate', 'Bearer').send({
      error: 'unauthorized',
      message: 'the Authorization header does not carry our token',
    });
  };
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

function readCredentials(header: string | undefined): string | undefined {
  const match = /^(bearer|basic) +(\S+)$/i.exec(header ?? '');
  if (match?.[2] === undefined) return undefined;
  if (match[1]?.toLowerCase() === 'bearer') return match[2];
  const pair = Buffer.from(match[2], 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  return colon < 0 ? undefined : pair.slice(colon + 1);
}
