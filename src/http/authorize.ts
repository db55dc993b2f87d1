import { hash, timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { trustConnection } from './limit-connections.ts';

/** `bearer` (RFC 6750), or `basic` (RFC 7617) with the token as the password and any name. */
export type AuthScheme = 'bearer' | 'basic';

/**
 * An onRequest hook that lets through who shows the token, and ends the connections of others. Basic
 * authentication is for those who cannot do better: parts of Dovecot that put credentials only into a URL,
 * and browsers. The comparison takes the same time wherever the tokens differ.
 *
 * @param token as it is at the moment
 * @param remedy for the log: which token has to be set to what
 * @param schemes those that are taken; the first is what the refused are asked for
 */
export function authorize(token: () => string, remedy: string, schemes: readonly AuthScheme[]) {
  const [first = 'bearer'] = schemes;
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const shown = readCredentials(request.headers.authorization, schemes);
    const isRight = shown !== undefined && timingSafeEqual(digest(shown), digest(token()));
    trustConnection(request.raw, isRight);
    if (isRight) return;
    // A browser shows its credentials only after it was asked for them.
    const isFirstVisit = first === 'basic' && request.headers.authorization === undefined;
    request.log[isFirstVisit ? 'debug' : 'warn'](
      { path: request.routeOptions.url },
      `request ${shown === undefined ? 'without a' : 'with a wrong'} token refused; ${remedy}`,
    );
    await reply
      .code(401)
      .headers({ 'www-authenticate': CHALLENGES[first], connection: 'close' })
      .send({
        error: 'unauthorized',
        message: 'the Authorization header does not carry our token',
      });
  };
}

const CHALLENGES: Record<AuthScheme, string> = {
  bearer: 'Bearer',
  basic: 'Basic realm="coi-sidecar: any name, http.admin_token as password", charset="UTF-8"',
};

const digest = (text: string): Buffer => hash('sha256', text, 'buffer');

function readCredentials(
  header: string | undefined,
  schemes: readonly AuthScheme[],
): string | undefined {
  const match = /^(bearer|basic) +(\S+)$/i.exec(header ?? '');
  if (match?.[2] === undefined) return undefined;
  const scheme = match[1]?.toLowerCase() as AuthScheme;
  if (!schemes.includes(scheme)) return undefined;
  if (scheme === 'bearer') return match[2];
  const pair = Buffer.from(match[2], 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  return colon < 0 ? undefined : pair.slice(colon + 1);
}
