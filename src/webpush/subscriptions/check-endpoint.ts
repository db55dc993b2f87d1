import { InvalidInputError } from '../../errors.ts';
import { MAX_ENDPOINT_OCTETS } from './subscription-limits.ts';

/**
 * Says why pushes must not go to `endpoint`, an absolute http or https URL, in words that may be
 * shown to the client and do not contain the URL; undefined when they may.
 *
 * It also rules on the scheme: a judge that does not look at it lets plain HTTP through.
 */
export type EndpointJudge = (endpoint: string) => string | undefined;

/** The judge of a server without private push services (RFC 8030 section 8: HTTPS only). */
export const requireHttps: EndpointJudge = (endpoint) =>
  /^https:/i.test(endpoint) ? undefined : 'it must be an https URL';

// An absolute-URI of RFC 3986, which has no fragment, and with a plain host. The WHATWG parser would
// quietly drop tabs and newlines, turn "\" into "/", and read "https:host" and "https:///host": the
// URL that is judged would then not be the one that is shown.
const URI = /^https?:\/\/[\w.:[\]-]+(?:[/?][\w.~:/?[\]@!$&'()*+,;=%-]*)?$/i;

/**
 * Checks a push endpoint (webpush-spec, "Subscribe": `endpoint`).
 *
 * @throws InvalidInputError naming the rule, never the endpoint
 */
export function checkEndpoint(endpoint: string, judge: EndpointJudge): void {
  const refusal = findFault(endpoint) ?? judge(endpoint);
  if (refusal !== undefined) {
    throw new InvalidInputError(`subscription: resource.endpoint: ${refusal}`);
  }
}

function findFault(endpoint: string): string | undefined {
  if (Buffer.byteLength(endpoint) > MAX_ENDPOINT_OCTETS) {
    return `it is longer than ${MAX_ENDPOINT_OCTETS} octets`;
  }
  if (!URI.test(endpoint) || !URL.canParse(endpoint)) {
    return 'it must be an absolute https URL, without user name, password and fragment';
  }
  return undefined;
}
