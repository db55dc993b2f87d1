import { maskEndpointParts } from './mask-secrets.ts';

/** How much of an error's body goes into the log, in characters. */
const MAX_CHARACTERS = 200;

/**
 * What a push service said about an error, fit for a log: one line of printable characters, without
 * URLs, because they could be the endpoint itself, and without parts of the endpoint.
 */
export function summarizeAnswer(body: Buffer, endpoint: URL): string | undefined {
  const text = maskEndpointParts(body.toString('utf8'), endpoint)
    .replace(/https?:\/\/[^\s"'<>]+/gi, '…')
    .replace(/<[^>]*>/g, ' ')
    .replace(/[\p{C}\s]+/gu, ' ')
    .trim();
  if (text === '') return undefined;
  return text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text;
}
