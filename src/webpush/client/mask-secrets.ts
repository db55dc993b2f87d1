import type { JudgedEndpoint } from '../guard/judge-endpoint.ts';

/** Headers of an answer whose value may name a push resource, which is all that it takes to use it. */
const SECRET_ANSWER_HEADERS = new Set(['location', 'link', 'set-cookie']);

/** Shorter parts of an endpoint are no secret, and words of every language. */
const LEAST_PART = 8;

/** The endpoint up to its path: who knows the rest can push. */
export const maskEndpoint = ({ url, target }: JudgedEndpoint): string =>
  `${url.origin}/…(${target.length - 1} characters masked)`;

/** Keeps a JWT's header and claims readable, and takes its signature away. */
export const maskAuthorization = (value: string): string =>
  value.replace(/(t=[\w-]+\.[\w-]+\.)[\w-]+/, '$1…(signature masked)');

export const maskAnswerHeader = (name: string, value: string): string =>
  SECRET_ANSWER_HEADERS.has(name.toLowerCase()) ? '…(masked)' : value;

/**
 * Takes out of a text whatever long part of the endpoint it repeats: as the client wrote it, as a URL
 * parser reads it, and without percent-encoding.
 */
export function maskEndpointParts(text: string, { url, target }: JudgedEndpoint): string {
  const parts = `${target}/${url.pathname}${url.search}`.split(/[/?&=]/);
  const forms = new Set([...parts, ...parts.map(decode)]);
  const longestFirst = [...forms].sort((one, other) => other.length - one.length);
  let masked = text;
  for (const part of longestFirst) {
    if (part.length >= LEAST_PART) masked = masked.replaceAll(part, '…');
  }
  return masked;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
