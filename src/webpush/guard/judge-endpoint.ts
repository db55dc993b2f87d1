import type { GuardPolicy } from './guard-policy.ts';
import { judgeAddress } from './judge-address.ts';
import { isAddress } from './is-address.ts';

const refuse = (reason: string): EndpointVerdict => ({ allowed: false, reason });

export type EndpointVerdict =
  ({ allowed: true } & JudgedEndpoint) | { allowed: false; reason: string };

/**
 * An endpoint in two forms. The URL is what the WHATWG parser makes of it: what is judged, and says where
 * to connect. It is not what the client wrote: the parser folds dot segments, drops an empty query, and
 * encodes `'`. To a push service that may be another push resource.
 */
export interface JudgedEndpoint {
  url: URL;
  /** Path and query octet for octet as the client gave them: the request target (RFC 9112 section 3.2.1). */
  target: string;
}

/** webpush-spec, "Subscribe": "`endpoint` … (string, max length is 512 octets)". */
const MAX_ENDPOINT_OCTETS = 512;

/**
 * Judges an endpoint by its text alone. The address that a name stands for is judged when the
 * connection is made (see createGuardedConnector).
 *
 * @returns the parsed URL, or why the endpoint is refused, in words that may be shown to the user
 */
export function judgeEndpoint(text: string, policy: GuardPolicy): EndpointVerdict {
  if (Buffer.byteLength(text) > MAX_ENDPOINT_OCTETS) {
    return refuse(`the endpoint is longer than ${MAX_ENDPOINT_OCTETS} octets`);
  }
  // The URL parser would drop tabs and newlines, turn backslashes and fold look-alike characters:
  // what it reads is then not what anybody else reads.
  if (!/^[\x21-\x7e]+$/.test(text) || text.includes('\\')) {
    return refuse('the endpoint contains a blank, a backslash or a character outside ASCII');
  }
  if (text.includes('#')) return refuse('the endpoint contains a fragment');
  if (!/^https?:\/\/[^/?]/i.test(text)) return refuse('the endpoint is not an https:// URL');
  if (/^https?:\/\/[^/?]*@/i.test(text)) return refuse('the endpoint contains user information');
  const url = URL.parse(text);
  if (url === null) return refuse('the endpoint is not a valid URL');
  const reason = judgeUrl(url, policy);
  if (reason !== undefined) return refuse(reason);
  const target = text.replace(/^https?:\/\/[^/?]*/i, '');
  return { allowed: true, url, target: target.startsWith('/') ? target : `/${target}` };
}

/**
 * The part of {@link judgeEndpoint} that concerns host, scheme and port, for a URL already parsed.
 *
 * @returns why it is refused; undefined when it is not
 */
export function judgeUrl(url: URL, policy: GuardPolicy): string | undefined {
  const host = hostOf(url);
  if (host.endsWith('.') || host.length > 253) return 'the endpoint names no valid host';

  const port = portOf(url);
  if (policy.allowsHost(host, port)) return undefined;
  if (isAddress(host)) {
    const range = judgeAddress(host);
    if (range !== undefined) return `the endpoint's address is not public (${range})`;
  }
  // A name may yet resolve to an address that the policy lists; then http:// and any port will do.
  const undecided = policy.hasAddresses && !isAddress(host);
  if (needsPermission(url.protocol, port) && !undecided) {
    return url.protocol === 'https:'
      ? 'the endpoint has a port that is neither 443 nor above 1023'
      : 'the endpoint is not an https:// URL';
  }
  return undefined;
}

/** Whether a push may go there only because `allow_private_endpoints` says so. */
export const needsPermission = (protocol: string, port: number): boolean =>
  protocol !== 'https:' || (port !== 443 && port < 1024);

/** The host without the brackets of an IPv6 address. */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[(.*)\]$/, '$1');

export function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port);
  return url.protocol === 'https:' ? 443 : 80;
}
