import { errors } from 'undici';
import { GuardError } from '../guard/guard-error.ts';
import { ResolveError } from '../guard/resolve-host.ts';
import { ProxyError } from './proxy-error.ts';

/** Why a push got no answer from its push service. */
export type FailureReason =
  | 'timeout'
  | 'dns'
  | 'refused'
  | 'unreachable'
  | 'reset'
  | 'tls'
  | 'protocol'
  | 'guard'
  | 'proxy'
  | 'proxy-auth'
  | 'internal';

const BY_CODE: Record<string, FailureReason> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  ECONNABORTED: 'reset',
  UND_ERR_SOCKET: 'reset',
  ETIMEDOUT: 'timeout',
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
  UND_ERR_HEADERS_TIMEOUT: 'timeout',
  UND_ERR_BODY_TIMEOUT: 'timeout',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  ENETDOWN: 'unreachable',
  EHOSTDOWN: 'unreachable',
  UND_ERR_HEADERS_OVERFLOW: 'protocol',
  EPROTO: 'tls',
};

/** OpenSSL's and Node's names for what can be wrong with a certificate or a handshake. */
const TLS_CODE =
  /^(ERR_TLS_|ERR_SSL_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|ERROR_IN_CERT_|ERROR_IN_CRL_)/;

/** Names what undici, Node or the guard threw; anything unknown is `internal`. */
export function classifyFailure(error: unknown): FailureReason {
  if (error instanceof GuardError) return 'guard';
  if (error instanceof ResolveError) return 'dns';
  if (error instanceof ProxyError) return error.kind === 'auth' ? 'proxy-auth' : 'proxy';
  // Happy Eyeballs: every address failed, each in its own way; the first is the preferred one.
  if (error instanceof AggregateError && error.errors.length > 0) {
    return classifyFailure(error.errors[0]);
  }
  if (error instanceof errors.HTTPParserError) return 'protocol';
  const code = (error as { code?: unknown } | null | undefined)?.code;
  if (typeof code !== 'string') return 'internal';
  return BY_CODE[code] ?? (TLS_CODE.test(code) ? 'tls' : 'internal');
}
