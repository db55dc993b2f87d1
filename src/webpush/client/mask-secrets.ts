/** Headers of an answer whose value may name a push resource, which is all that it takes to use it. */
const SECRET_ANSWER_HEADERS = new Set(['location', 'link', 'set-cookie']);

/** The endpoint up to its path: who knows the rest can push. */
export const maskEndpoint = (url: URL): string =>
  `${url.origin}/…(${url.pathname.length + url.search.length - 1} characters masked)`;

/** Keeps a JWT's header and claims readable, and takes its signature away. */
export const maskAuthorization = (value: string): string =>
  value.replace(/(t=[\w-]+\.[\w-]+\.)[\w-]+/, '$1…(signature masked)');

export const maskAnswerHeader = (name: string, value: string): string =>
  SECRET_ANSWER_HEADERS.has(name.toLowerCase()) ? '…(masked)' : value;

/** Takes out of a text whatever long part of the endpoint it repeats. */
export function maskEndpointParts(text: string, url: URL): string {
  let masked = text;
  for (const part of new Set(`${url.pathname}${url.search}`.split(/[/?&=]/))) {
    if (part.length >= 8) masked = masked.replaceAll(part, '…');
  }
  return masked;
}
