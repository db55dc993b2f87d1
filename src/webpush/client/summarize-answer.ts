import type { JudgedEndpoint } from '../guard/judge-endpoint.ts';
import { maskEndpointParts } from './mask-secrets.ts';

/** How much of an error's body goes into the log, in characters; and is looked at for that. */
const MAX_CHARACTERS = 200;
const MOST_READ = 4_096;

/**
 * What a push service said about an error, fit for a log: one line of printable characters, without
 * URLs, because they could be the endpoint itself, and without parts of the endpoint. Linear in the
 * body's length, whatever it is made of.
 */
export function summarizeAnswer(body: Buffer, endpoint: JudgedEndpoint): string | undefined {
  const text = readBeginning(body, endpoint)
    .replace(/https?:\/\/[^\s"'<>]+/gi, '…')
    .replace(/<[^<>]*>/g, ' ')
    .replace(/[\p{C}\s]+/gu, ' ')
    .trim();
  if (text === '') return undefined;
  return text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text;
}

/** What may be left of a part of the endpoint at the place of the cut, which no mask covers, goes too. */
function readBeginning(body: Buffer, endpoint: JudgedEndpoint): string {
  const text = maskEndpointParts(body.toString('utf8', 0, MOST_READ), endpoint);
  return body.length > MOST_READ ? text.slice(0, -longestPart(endpoint)) : text;
}

const longestPart = ({ url, target }: JudgedEndpoint): number =>
  Math.max(url.href.length, target.length);
